"""`probe` in torch alone."""

import torch
from torch import nn
from torch.nn import functional

from unikeras.layers.torch import BatchNorm2d, Flatten, SameConv2d


class Probe(nn.Module):
    def __init__(self, channels: int, features: int, num_classes: int) -> None:
        super().__init__()
        self.conv1 = SameConv2d(channels, 8, 3, 2)
        self.norm1 = BatchNorm2d(8)
        self.pool1 = nn.MaxPool2d(2)
        self.conv2 = SameConv2d(8, 8, 3)
        self.norm2 = BatchNorm2d(8)
        self.pool2 = nn.AvgPool2d(2)
        self.flatten = Flatten()
        self.dropout = nn.Dropout(0.25)
        self.dense1 = nn.Linear(features, 16)
        self.norm3 = nn.LayerNorm(16, eps=1e-3)
        self.dense2 = nn.Linear(16, 16)
        self.dense3 = nn.Linear(16, num_classes)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        x = self.pool1(self.norm1(torch.relu(self.conv1(inputs))))
        x = self.pool2(torch.relu(self.norm2(self.conv2(x))))
        x = self.dropout(self.flatten(x))
        x = self.norm3(functional.leaky_relu(self.dense1(x), 0.2))
        logits: torch.Tensor = self.dense3(torch.relu(self.dense2(x)))
        return logits


def build(input_shape: tuple[int, ...], num_classes: int) -> nn.Module:
    height, width, channels = input_shape
    rows, columns = ((size + 1) // 2 // 2 // 2 for size in (height, width))
    if rows < 1 or columns < 1:
        raise ValueError(f"images of {height}×{width} are too small: 7×7 at least")
    return Probe(channels, rows * columns * 8, num_classes)
