"""Keras on TensorFlow."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from unikeras.backends._keras import KerasModel
from unikeras.backends._tensorflow import TensorFlowSteps


class Backend(KerasModel, TensorFlowSteps):
    """A Keras model inside one tf.function, updated in the same graph."""

    name = "tensorflow"

    def forward(self, inputs: tf.Tensor, training: bool) -> tf.Tensor:
        return self.model(inputs, training=training)

    def penalty(self) -> Any:
        return tf.add_n(self.model.losses) if self.model.losses else 0.0
