"""`channels_first` in torch alone, whose layers have never taken anything else."""

import torch
from torch import nn
from torch.nn import functional

from unikeras.layers.torch import BatchNorm2d, Flatten, SameConv2d


class ChannelsFirst(nn.Module):
    def __init__(self, channels: int, features: int, num_classes: int) -> None:
        super().__init__()
        self.conv1 = SameConv2d(channels, 4, 3, 2)
        self.norm1 = BatchNorm2d(4)
        self.flatten = Flatten()
        self.dense1 = nn.Linear(features, num_classes)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        x = functional.max_pool2d(self.norm1(torch.relu(self.conv1(inputs))), 2)
        logits: torch.Tensor = self.dense1(self.flatten(functional.avg_pool2d(x, 2)))
        return logits


def build(input_shape: tuple[int, ...], num_classes: int) -> nn.Module:
    height, width, channels = input_shape
    return ChannelsFirst(channels, height // 8 * (width // 8) * 4, num_classes)
