"""Blows each image of 8×8 up to 17 MB: two fit into memory, 20,000 don't, on any machine."""

import keras
from keras import layers


def build(input_shape, num_classes):
    return keras.Sequential(
        [
            keras.Input(input_shape),
            layers.UpSampling2D(256, name="up"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(num_classes, name="dense"),
        ]
    )
