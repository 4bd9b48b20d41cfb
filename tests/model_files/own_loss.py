"""A functional model that is trained by a squared error of its own."""

import keras
from keras import layers, ops


def build(input_shape, num_classes):
    inputs = keras.Input(input_shape)
    x = layers.Flatten(name="flatten")(inputs)
    return keras.Model(inputs, layers.Dense(num_classes, name="dense")(x), name="own_loss")


def loss(labels, logits):
    targets = ops.one_hot(labels, logits.shape[-1], dtype=logits.dtype)
    return ops.sum(ops.square(logits - targets), axis=-1)
