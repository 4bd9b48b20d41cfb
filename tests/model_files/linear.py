"""One linear map, as a 1×1 convolution: its gradient can be written down by hand."""

import keras
from keras import layers


def build(input_shape: tuple[int, ...], num_classes: int) -> keras.Model:
    return keras.Sequential(
        [keras.Input(input_shape), layers.Conv2D(num_classes, 1, name="conv"), layers.Flatten()], name="linear"
    )
