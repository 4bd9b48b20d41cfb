import math

import tensorflow as tf

from unikeras.layers.tensorflow import BatchNorm, Conv2D, Dense, Dropout, flatten


class Net(tf.Module):
    def __init__(self, channels, features, num_classes):
        super().__init__()
        self.conv = Conv2D(channels, 4, 3, padding="same")
        self.norm = BatchNorm(4)
        self.dropouts = [Dropout(0.5), Dropout(0.1)]
        self.dense = Dense(features, num_classes)

    def __call__(self, inputs, training):
        x = flatten(tf.nn.relu(self.norm(self.conv(inputs), training)))
        for dropout in self.dropouts:
            x = dropout(x, training)
        return self.dense(x)


def build(input_shape, num_classes):
    return Net(input_shape[-1], math.prod(input_shape[:2]) * 4, num_classes)
