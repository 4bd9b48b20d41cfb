"""`resnet8` in torch alone."""

import torch
from torch import nn

from unikeras.layers.torch import BatchNorm2d, SameConv2d


class Block(nn.Module):
    def __init__(self, inputs: int, filters: int, stride: int) -> None:
        super().__init__()
        self.conv1 = SameConv2d(inputs, filters, 3, stride, bias=False)
        self.norm1 = BatchNorm2d(filters)
        self.conv2 = SameConv2d(filters, filters, 3, bias=False)
        self.norm2 = BatchNorm2d(filters)
        self.shortcut = SameConv2d(inputs, filters, 1, stride, bias=False) if stride > 1 else nn.Identity()

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.norm1(self.conv1(inputs)))
        return torch.relu(self.norm2(self.conv2(x)) + self.shortcut(inputs))


class ResNet8(nn.Module):
    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__()
        self.conv = SameConv2d(channels, 16, 3, bias=False)
        self.norm = BatchNorm2d(16)
        self.block1 = Block(16, 16, 1)
        self.block2 = Block(16, 32, 2)
        self.block3 = Block(32, 64, 2)
        self.dense = nn.Linear(64, num_classes)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.norm(self.conv(inputs)))
        x = self.block3(self.block2(self.block1(x)))
        logits: torch.Tensor = self.dense(x.mean(dim=(2, 3)))
        return logits


def build(input_shape: tuple[int, ...], num_classes: int) -> nn.Module:
    _, _, channels = input_shape
    return ResNet8(channels, num_classes)
