"""A small network with every convention that frameworks disagree on, for `unikeras check`.

An odd pixel of padding, batch and layer normalisation, both poolings, an order to flatten in, a slope to leak with, dropout, and
kernels that are square and so could be transposed unnoticed.
"""

import keras
from keras import layers


def build(input_shape: tuple[int, ...], num_classes: int) -> keras.Model:
    return keras.Sequential(
        [
            keras.Input(input_shape),
            layers.Conv2D(8, 3, strides=2, padding="same", activation="relu", name="conv1"),
            layers.BatchNormalization(name="norm1"),
            layers.MaxPooling2D(name="pool1"),
            layers.Conv2D(8, 3, padding="same", name="conv2"),
            layers.BatchNormalization(name="norm2"),
            layers.ReLU(name="relu"),
            layers.AveragePooling2D(2, name="pool2"),
            layers.Flatten(name="flatten"),
            layers.Dropout(0.25, name="dropout"),
            layers.Dense(16, activation="leaky_relu", name="dense1"),
            layers.LayerNormalization(name="norm3"),
            layers.Dense(16, activation="relu", name="dense2"),
            layers.Dense(num_classes, name="dense3"),
        ],
        name="probe",
    )
