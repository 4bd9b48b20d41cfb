"""torch modules with Keras' arithmetic, for native model files. Inputs are channels first, B×C×H×W."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional


class SameConv2d(nn.Conv2d):
    """Convolution with Keras' `padding="same"`: the output has ⌈size/stride⌉ rows, and an odd pixel of padding goes last.

    torch's `padding=1` puts the odd pixel first and its `padding="same"` refuses strides.
    """

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        top, bottom = self._padding(inputs.shape[2], axis=0)
        left, right = self._padding(inputs.shape[3], axis=1)
        padding: tuple[int, int] | int = (top, left)
        if (top, left) != (bottom, right):
            inputs, padding = functional.pad(inputs, (left, right, top, bottom)), 0
        return functional.conv2d(inputs, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)

    def _padding(self, size: int, axis: int) -> tuple[int, int]:
        field = (self.kernel_size[axis] - 1) * self.dilation[axis] + 1
        total = max((-(-size // self.stride[axis]) - 1) * self.stride[axis] + field - size, 0)
        return total // 2, total - total // 2


class BatchNorm2d(nn.BatchNorm2d):
    """Keras' BatchNormalization: ε is 1e-3, the running statistics keep 0.99, and their variance is the biased one.

    torch's keeps 0.9, ε is 1e-5, and it multiplies the running variance by n/(n − 1).

    Args:
        channels: Second axis of the inputs.
        momentum: What the running statistics keep at each step, as in Keras; torch's `momentum` is 1 less this.
    """

    running_mean: torch.Tensor
    running_var: torch.Tensor

    momentum: float

    def __init__(self, channels: int, momentum: float = 0.99) -> None:
        super().__init__(channels, eps=1e-3, momentum=1 - momentum)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return functional.batch_norm(inputs, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        # With momentum 1 torch writes this batch's own statistics, which are then averaged as Keras does it.
        mean, variance = torch.zeros_like(self.running_mean), torch.zeros_like(self.running_var)
        outputs = functional.batch_norm(inputs, mean, variance, self.weight, self.bias, True, 1.0, self.eps)
        count = inputs.numel() // inputs.shape[1]
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * ((count - 1) / count), self.momentum)
        return outputs


class Flatten(nn.Module):
    """Keras' Flatten: row, column, channel order, where torch's own has the channel first. Other ranks keep their order."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return (inputs.permute(0, 2, 3, 1) if inputs.ndim == 4 else inputs).flatten(1)
