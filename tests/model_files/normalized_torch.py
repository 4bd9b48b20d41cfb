import torch
from torch import nn
from torch.nn import functional

from unikeras.layers.torch import Flatten


class Normalized(nn.Module):
    def __init__(self, channels: int, features: int, num_classes: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, 6, 3, stride=2, bias=False)
        self.norm = nn.BatchNorm2d(6, eps=1e-3, momentum=0.01)
        self.flatten = Flatten()
        self.dropout = nn.Dropout(0.1)
        self.dense = nn.Linear(features, num_classes)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        x = self.conv(functional.pad(inputs, (0, 1, 0, 1)))  # even sizes: SAME puts the odd pixel at the end
        x = torch.relu(self.norm(x))
        return self.dense(self.dropout(self.flatten(x)))


def build(input_shape: tuple[int, ...], num_classes: int) -> nn.Module:
    height, width, channels = input_shape
    return Normalized(channels, height // 2 * (width // 2) * 6, num_classes)
