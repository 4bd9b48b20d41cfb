"""`resnet8` in TensorFlow alone."""

import tensorflow as tf

from unikeras.layers.tensorflow import BatchNorm, Conv2D, Dense


class Block(tf.Module):
    def __init__(self, inputs: int, filters: int, stride: int) -> None:
        super().__init__()
        self.conv1 = Conv2D(inputs, filters, 3, stride=stride, padding="same", bias=False)
        self.norm1 = BatchNorm(filters)
        self.conv2 = Conv2D(filters, filters, 3, padding="same", bias=False)
        self.norm2 = BatchNorm(filters)
        self.shortcut = Conv2D(inputs, filters, 1, stride=stride, padding="same", bias=False) if stride > 1 else None

    def __call__(self, inputs: tf.Tensor, training: bool) -> tf.Tensor:
        x = tf.nn.relu(self.norm1(self.conv1(inputs), training))
        x = self.norm2(self.conv2(x), training)
        return tf.nn.relu(x + (inputs if self.shortcut is None else self.shortcut(inputs)))


class ResNet8(tf.Module):
    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__()
        self.conv = Conv2D(channels, 16, 3, padding="same", bias=False)
        self.norm = BatchNorm(16)
        self.block1 = Block(16, 16, 1)
        self.block2 = Block(16, 32, 2)
        self.block3 = Block(32, 64, 2)
        self.dense = Dense(64, num_classes)

    def __call__(self, inputs: tf.Tensor, training: bool) -> tf.Tensor:
        x = tf.nn.relu(self.norm(self.conv(inputs), training))
        for block in (self.block1, self.block2, self.block3):
            x = block(x, training)
        return self.dense(tf.reduce_mean(x, [1, 2]))


def build(input_shape: tuple[int, ...], num_classes: int) -> tf.Module:
    _, _, channels = input_shape
    return ResNet8(channels, num_classes)
