from torch import nn


class Net(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.dense = nn.Linear(1, num_classes)

    def forward(self, inputs):
        return self.dense(nn.functional.interpolate(inputs, scale_factor=256).mean((2, 3)))


def build(input_shape, num_classes):
    return Net(num_classes)
