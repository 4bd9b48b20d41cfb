import torch
from torch import nn


class Linear(nn.Module):
    def __init__(self, features: int, num_classes: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(features, num_classes, 1)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.conv(inputs).flatten(1)


def build(input_shape: tuple[int, ...], num_classes: int) -> nn.Module:
    return Linear(input_shape[-1], num_classes)
