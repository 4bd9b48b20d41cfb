"""Keras' BatchNormalization by torch's kernel for it, where the layer is the usual one.

Keras writes it as a dozen operations on whole activations. The kernel computes the same in one pass, and differs by rounding: it
finds the variance from the differences to the mean, Keras as the mean of squares less the square of the mean.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from keras.layers import BatchNormalization
from torch.nn import functional


@contextlib.contextmanager
def fused_norms() -> Iterator[None]:
    """While it lasts, such layers call the kernel in training mode."""
    call = BatchNormalization.call

    def fused(layer: Any, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        if not (training and is_usual(layer, inputs) and mask is None):
            return call(layer, inputs, training=training, mask=mask)
        return normalize(layer, inputs)

    BatchNormalization.call = fused
    try:
        yield
    finally:
        BatchNormalization.call = call


def is_usual(layer: Any, inputs: torch.Tensor) -> bool:
    """Whether the kernel computes what the layer does: over the last axis, with scale and offset, of one device's batch."""
    plain = type(layer) is BatchNormalization and layer.scale and layer.center and layer.trainable
    unusual = getattr(layer, "renorm", False) or getattr(layer, "synchronized", False)
    return bool(plain and not unusual and inputs.ndim == 4 and layer.axis in (-1, 3))


def normalize(layer: Any, inputs: torch.Tensor) -> torch.Tensor:
    """The layer's output; its statistics are updated."""
    channels = inputs.shape[-1]
    gamma, beta = (torch.as_tensor(variable.value) for variable in (layer.gamma, layer.beta))
    mean, variance = torch.zeros(channels).to(gamma), torch.zeros(channels).to(gamma)
    # With momentum 1 torch writes this batch's own statistics, of which Keras has the biased variance.
    outputs = functional.batch_norm(inputs.movedim(-1, 1), mean, variance, gamma, beta, True, 1.0, layer.epsilon).movedim(1, -1)
    count = inputs.numel() // channels
    with torch.no_grad():
        for moving, now in ((layer.moving_mean, mean), (layer.moving_variance, variance * ((count - 1) / count))):
            moving.assign(moving.value * layer.momentum + now * (1.0 - layer.momentum))
    return outputs
