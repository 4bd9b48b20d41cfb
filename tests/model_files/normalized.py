"""A convolution with batch normalisation and padding, then one dense layer: what exporters have to get right, in little."""

import keras
from keras import layers


def build(input_shape, num_classes):
    return keras.Sequential(
        [
            keras.Input(input_shape),
            layers.Conv2D(6, 3, strides=2, padding="same", use_bias=False, name="conv"),
            layers.BatchNormalization(name="norm"),
            layers.ReLU(name="relu"),
            layers.Flatten(name="flatten"),
            layers.Dropout(0.1, name="dropout"),
            layers.Dense(num_classes, name="dense"),
        ],
        name="normalized",
    )
