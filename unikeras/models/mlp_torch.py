"""`mlp` in torch alone."""

import math

import torch
from torch import nn

from unikeras.layers.torch import Flatten


class Mlp(nn.Module):
    def __init__(self, input_size: int, num_classes: int) -> None:
        super().__init__()
        self.flatten = Flatten()
        self.dense1 = nn.Linear(input_size, 64)
        self.dense2 = nn.Linear(64, num_classes)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.dense2(torch.relu(self.dense1(self.flatten(inputs))))
        return logits


def build(input_shape: tuple[int, ...], num_classes: int) -> nn.Module:
    return Mlp(math.prod(input_shape), num_classes)
