"""Keras on TensorFlow."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import tensorflow as tf
from keras.src.backend.tensorflow import nn as keras_nn

from unikeras.backends._keras import KerasModel
from unikeras.backends._tensorflow import TensorFlowSteps
from unikeras.backends._tensorflow_norm import fuse_norms


class Backend(KerasModel, TensorFlowSteps):
    """A Keras model inside one tf.function, updated in the same graph."""

    name = "tensorflow"

    def build_model(self) -> None:
        keep_float64()
        take_channels_first()
        fuse_norms()
        super().build_model()

    def forward(self, inputs: tf.Tensor, training: bool) -> tf.Tensor:
        return self.model(inputs, training=training)

    def penalty(self) -> Any:
        return tf.add_n(self.model.losses) if self.model.losses else 0.0


def keep_float64() -> None:
    """Lets Keras' leaky_relu of float64 tensors have a float64 slope.

    TensorFlow's operation keeps the slope as a float32 attribute, so that 0.2 is off by 3e-9.
    """
    original = keras_nn.leaky_relu
    if original is _leaky_relu or float(original(tf.constant(-1.0, tf.float64), 0.2)) == -0.2:
        return
    keras_nn.leaky_relu = _leaky_relu


_original_leaky_relu = keras_nn.leaky_relu


def _leaky_relu(x: Any, negative_slope: float = 0.2) -> Any:
    x = tf.convert_to_tensor(x)
    if x.dtype != tf.float64:
        return _original_leaky_relu(x, negative_slope)
    return tf.where(x > 0, x, tf.constant(negative_slope, tf.float64) * x)


def take_channels_first() -> None:
    """Lets Keras' convolutions take B×C×H×W on a CPU, where TensorFlow's want the channels last.

    Keras transposes for poolings and depthwise convolutions; here it does for the others.
    """
    if tf.config.list_physical_devices("GPU"):
        return
    for name in ("conv", "conv_transpose"):
        original = getattr(keras_nn, name)
        if not hasattr(original, "__wrapped__"):
            setattr(keras_nn, name, _transposing(original))


def _transposing(convolve: Callable[..., Any]) -> Callable[..., Any]:
    """A convolution that computes with the channels last, wherever they are."""
    signature = inspect.signature(convolve)

    @functools.wraps(convolve)
    def call(*args: Any, **kwargs: Any) -> Any:
        given = signature.bind(*args, **kwargs).arguments
        if given.get("data_format") != "channels_first":
            return convolve(**given)
        last = len(given["inputs"].shape) - 1
        inputs = tf.transpose(given["inputs"], [0, *range(2, last + 1), 1])
        outputs = convolve(**{**given, "inputs": inputs, "data_format": "channels_last"})
        return tf.transpose(outputs, [0, last, *range(1, last)])

    return call
