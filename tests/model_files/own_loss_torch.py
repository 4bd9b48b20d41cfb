import math

from torch import nn
from torch.nn import functional

from unikeras.layers.torch import Flatten


class OwnLoss(nn.Module):
    def __init__(self, features, num_classes):
        super().__init__()
        self.flatten = Flatten()
        self.dense = nn.Linear(features, num_classes)

    def forward(self, inputs):
        return self.dense(self.flatten(inputs))


def build(input_shape, num_classes):
    return OwnLoss(math.prod(input_shape), num_classes)


def loss(labels, logits):
    return (logits - functional.one_hot(labels, logits.shape[-1])).square().sum(dim=-1)
