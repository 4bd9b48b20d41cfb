"""`probe` in TensorFlow alone."""

import tensorflow as tf

from unikeras.layers.tensorflow import BatchNorm, Conv2D, Dense, Dropout, LayerNorm, average_pool, flatten, max_pool


class Probe(tf.Module):
    def __init__(self, channels: int, features: int, num_classes: int) -> None:
        super().__init__()
        self.conv1 = Conv2D(channels, 8, 3, stride=2, padding="same")
        self.norm1 = BatchNorm(8)
        self.conv2 = Conv2D(8, 8, 3, padding="same")
        self.norm2 = BatchNorm(8)
        self.dropout = Dropout(0.25)
        self.dense1 = Dense(features, 16)
        self.norm3 = LayerNorm(16)
        self.dense2 = Dense(16, 16)
        self.dense3 = Dense(16, num_classes)

    def __call__(self, inputs: tf.Tensor, training: bool) -> tf.Tensor:
        x = max_pool(self.norm1(tf.nn.relu(self.conv1(inputs)), training))
        x = average_pool(tf.nn.relu(self.norm2(self.conv2(x), training)))
        x = self.dropout(flatten(x), training)
        x = self.dense1(x)
        x = self.norm3(tf.maximum(x, 0.2 * x))  # leaky_relu, whose own operation keeps 0.2 in float32
        return self.dense3(tf.nn.relu(self.dense2(x)))


def build(input_shape: tuple[int, ...], num_classes: int) -> tf.Module:
    height, width, channels = input_shape
    rows, columns = ((size + 1) // 2 // 2 // 2 for size in (height, width))
    if rows < 1 or columns < 1:
        raise ValueError(f"images of {height}×{width} are too small: 7×7 at least")
    return Probe(channels, rows * columns * 8, num_classes)
