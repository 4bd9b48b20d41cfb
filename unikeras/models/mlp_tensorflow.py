"""`mlp` in TensorFlow alone."""

import math

import tensorflow as tf

from unikeras.layers.tensorflow import Dense, flatten


class Mlp(tf.Module):
    def __init__(self, input_size: int, num_classes: int) -> None:
        super().__init__()
        self.dense1 = Dense(input_size, 64)
        self.dense2 = Dense(64, num_classes)

    def __call__(self, inputs: tf.Tensor, training: bool) -> tf.Tensor:
        return self.dense2(tf.nn.relu(self.dense1(flatten(inputs))))


def build(input_shape: tuple[int, ...], num_classes: int) -> tf.Module:
    return Mlp(math.prod(input_shape), num_classes)
