"""Keras' BatchNormalization by TensorFlow's kernel for it, where the layer is the usual one."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from keras.layers import BatchNormalization

from unikeras.layers import tensorflow_norm

_call = BatchNormalization.call


def fuse_norms() -> None:
    """Lets such layers call the kernel in training mode from now on."""
    BatchNormalization.call = _fused


def _fused(layer: Any, inputs: Any, training: Any = None, mask: Any = None) -> Any:
    if not (training is True and mask is None and is_usual(layer, inputs)):
        return _call(layer, inputs, training=training, mask=mask)
    outputs, mean, variance = tensorflow_norm.normalize(inputs, layer.gamma.value, layer.beta.value, layer.epsilon)
    for moving, now in ((layer.moving_mean, mean), (layer.moving_variance, variance)):
        moving.assign(moving.value * layer.momentum + now * (1.0 - layer.momentum))
    return outputs


def is_usual(layer: Any, inputs: Any) -> bool:
    """Whether the kernel computes what the layer does: over the last axis, with scale and offset, of one device's batch."""
    plain = type(layer) is BatchNormalization and layer.scale and layer.center and layer.trainable
    unusual = getattr(layer, "renorm", False) or getattr(layer, "synchronized", False)
    return bool(
        plain
        and not unusual
        and tf.is_tensor(inputs)
        and inputs.dtype == layer.compute_dtype
        and tensorflow_norm.has_kernel(inputs, layer.epsilon)
        and layer.axis in (-1, 3)
    )
