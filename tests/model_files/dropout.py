"""A convolution, BatchNorm and dropout: everything that a step can change besides the parameters."""

import keras
from keras import layers


def build(input_shape, num_classes):
    return keras.Sequential(
        [
            keras.Input(input_shape),
            layers.Conv2D(4, 3, padding="same", name="conv"),
            layers.BatchNormalization(name="norm"),
            layers.ReLU(),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dropout(0.1, seed=3),
            layers.Dense(num_classes, name="dense"),
        ]
    )
