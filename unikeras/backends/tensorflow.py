"""Keras on TensorFlow."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from unikeras.backends._keras import KerasModel
from unikeras.backends._tensorflow import TensorFlowSteps


class Backend(KerasModel, TensorFlowSteps):
    """A Keras model and Keras' optimiser inside one tf.function."""

    name = "tensorflow"

    def forward(self, inputs: tf.Tensor, training: bool) -> tf.Tensor:
        return self.model(inputs, training=training)

    def penalty(self) -> Any:
        return tf.add_n(self.model.losses) if self.model.losses else 0.0

    def trained(self) -> list[tf.Variable]:
        return [variable.value for variable in self.model.trainable_variables]

    def update(self, gradients: list[tf.Tensor], learning_rate: tf.Tensor) -> None:
        self.optimizer.learning_rate.assign(learning_rate)
        self.optimizer.apply(gradients, self.model.trainable_variables)
