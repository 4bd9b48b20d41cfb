"""Rounding of batch statistics, tried on a copy of the reference.

A mean over n values that is summed up in the arithmetic's own precision errs by about √n roundings of their size, and so does a
variance. What a normalisation makes of that is of another kind than what roundings of weights do: its gradient is shifted at all
n places alike, which the layer before it adds up, while a disturbance of that layer's weights is taken out with the mean.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import keras
from keras import ops
from keras.layers import BatchNormalization


def make_disturbable(model: keras.Model) -> keras.Variable:
    """Lets the batch statistics of a model that has not run yet be disturbed, by the variable that is returned.

    Its value is how far a sum of one term errs, relative to the term. Layers that Keras computes in another way than this knows
    stay as they are.
    """
    size = keras.Variable(0.0, dtype="float64", trainable=False, name="disturbance")
    for layer in model._flatten_layers():
        original = getattr(layer, "_moments", None)
        if isinstance(layer, BatchNormalization) and original is not None and _parameters(original) == ["inputs", "mask"]:
            layer._moments = _disturbed(layer, original, size)
    return size


def _parameters(function: Callable[..., Any]) -> list[str]:
    return list(inspect.signature(function).parameters)


def _disturbed(layer: Any, original: Callable[..., Any], size: keras.Variable) -> Callable[..., Any]:
    def moments(inputs: Any, mask: Any) -> tuple[Any, Any]:
        mean, variance = original(inputs, mask)
        if mask is not None:
            return mean, variance
        channels = mean.shape[-1]
        terms = ops.cast(ops.size(inputs), mean.dtype) / channels
        sides = ops.cast(1 - 2 * (ops.arange(channels) % 2), mean.dtype)
        error = ops.cast(size.value, mean.dtype) * ops.sqrt(terms) * sides
        mean = mean + ops.stop_gradient(error * ops.sqrt(ops.square(mean) + variance))
        # Kernels take the mean that they have found for exact where they derive the variance.
        shape = [channels if axis == layer.axis % inputs.ndim else 1 for axis in range(inputs.ndim)]
        centered = inputs - ops.stop_gradient(ops.reshape(mean, shape))
        return mean, ops.mean(ops.square(centered), axis=layer._reduction_axes) * (1 + error)

    return moments
