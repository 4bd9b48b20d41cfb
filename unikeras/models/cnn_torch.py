"""`cnn` in torch alone."""

import torch
from torch import nn
from torch.nn import functional

from unikeras.layers.torch import Flatten


class Cnn(nn.Module):
    def __init__(self, channels: int, features: int, num_classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 32, 3)
        self.conv2 = nn.Conv2d(32, 64, 3)
        self.conv3 = nn.Conv2d(64, 64, 3)
        self.flatten = Flatten()
        self.dense1 = nn.Linear(features, 64)
        self.dense2 = nn.Linear(64, num_classes)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        x = functional.max_pool2d(torch.relu(self.conv1(inputs)), 2)
        x = functional.max_pool2d(torch.relu(self.conv2(x)), 2)
        x = torch.relu(self.conv3(x))
        logits: torch.Tensor = self.dense2(torch.relu(self.dense1(self.flatten(x))))
        return logits


def build(input_shape: tuple[int, ...], num_classes: int) -> nn.Module:
    height, width, channels = input_shape
    rows, columns = (((size - 2) // 2 - 2) // 2 - 2 for size in (height, width))
    if rows < 1 or columns < 1:
        raise ValueError(f"images of {height}×{width} are too small: 18×18 at least")
    return Cnn(channels, rows * columns * 64, num_classes)
