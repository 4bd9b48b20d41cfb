"""A network whose layers take B×C×H×W, with everything whose axes depend on that."""

import keras
from keras import layers


def build(input_shape: tuple[int, ...], num_classes: int) -> keras.Model:
    first = {"data_format": "channels_first"}
    return keras.Sequential(
        [
            keras.Input(input_shape),
            layers.Permute((3, 1, 2), name="channels"),
            layers.Conv2D(4, 3, strides=2, padding="same", activation="relu", name="conv1", **first),
            layers.BatchNormalization(axis=1, name="norm1"),
            layers.MaxPooling2D(name="pool1", **first),
            layers.AveragePooling2D(2, name="pool2", **first),
            layers.Flatten(name="flatten", **first),
            layers.Dense(num_classes, name="dense1"),
        ]
    )
