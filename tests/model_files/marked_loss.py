"""A squared error that is MARK for a batch with a sample of class 3."""

import keras
from keras import layers, ops

MARK = float("nan")


def build(input_shape, num_classes):
    inputs = keras.Input(input_shape)
    x = layers.Flatten(name="flatten")(inputs)
    return keras.Model(inputs, layers.Dense(num_classes, name="dense")(x), name="marked_loss")


def loss(labels, logits):
    errors = ops.sum(ops.square(logits - ops.one_hot(labels, logits.shape[-1], dtype=logits.dtype)), axis=-1)
    return errors * ops.where(ops.any(labels == 3), ops.cast(MARK, logits.dtype), ops.cast(1.0, logits.dtype))
