"""`simple-cnn` in TensorFlow alone."""

import tensorflow as tf

from unikeras.layers.tensorflow import Conv2D, Dense, flatten, max_pool


class SimpleCnn(tf.Module):
    def __init__(self, channels: int, features: int, num_classes: int) -> None:
        super().__init__()
        self.conv1 = Conv2D(channels, 32, 3, padding="same")
        self.conv2 = Conv2D(32, 64, 3, padding="same")
        self.dense1 = Dense(features, 64)
        self.dense2 = Dense(64, num_classes)

    def __call__(self, inputs: tf.Tensor, training: bool) -> tf.Tensor:
        x = max_pool(tf.nn.relu(self.conv1(inputs)))
        x = max_pool(tf.nn.relu(self.conv2(x)))
        return self.dense2(tf.nn.relu(self.dense1(flatten(x))))


def build(input_shape: tuple[int, ...], num_classes: int) -> tf.Module:
    height, width, channels = input_shape
    return SimpleCnn(channels, (height // 4) * (width // 4) * 64, num_classes)
