"""Another network on TensorFlow than elsewhere, by a small number: what is exported from there is not what was trained."""

import keras
from keras import layers


def build(input_shape, num_classes):
    epsilon = 1e-2 if keras.backend.backend() == "tensorflow" else 1e-3
    return keras.Sequential(
        [
            keras.Input(input_shape),
            layers.Flatten(name="flatten"),
            layers.BatchNormalization(epsilon=epsilon, name="norm"),
            layers.Dense(num_classes, name="dense"),
        ],
        name="parts",
    )
