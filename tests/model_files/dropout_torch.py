import random

from torch import nn

from unikeras.layers.torch import BatchNorm2d, Flatten


class Net(nn.Module):
    def __init__(self, channels, features, num_classes):
        super().__init__()
        self.conv = nn.Conv2d(channels, 4, 3, padding=1)
        self.norm = BatchNorm2d(4)
        self.flatten = Flatten()
        self.dropout = nn.Dropout(0.5)
        self.dense = nn.Linear(features, num_classes)

    def forward(self, inputs):
        x = self.flatten(self.norm(self.conv(inputs)).relu())
        scale = random.gauss(1.0, 0.1) if self.training else 1.0  # Python's own generator is part of a checkpoint, too
        return self.dense(self.dropout(x) * scale)


def build(input_shape, num_classes):
    height, width, channels = input_shape
    return Net(channels, height * width * 4, num_classes)
