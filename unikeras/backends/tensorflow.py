"""Keras on TensorFlow."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from keras.src.backend.tensorflow import nn as keras_nn

from unikeras.backends._keras import KerasModel
from unikeras.backends._tensorflow import TensorFlowSteps


class Backend(KerasModel, TensorFlowSteps):
    """A Keras model inside one tf.function, updated in the same graph."""

    name = "tensorflow"

    def build_model(self) -> None:
        keep_float64()
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
