"""Averages with `same` padding, which Keras 3.15 computes otherwise on torch."""

import keras
from keras import layers


def build(input_shape: tuple[int, ...], num_classes: int) -> keras.Model:
    return keras.Sequential(
        [
            keras.Input(input_shape),
            layers.Conv2D(4, 3, name="conv"),
            layers.AveragePooling2D(3, 2, padding="same", name="pool"),
            layers.Flatten(name="flatten"),
            layers.Dense(num_classes, name="dense"),
        ]
    )
