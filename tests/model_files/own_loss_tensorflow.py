import math

import tensorflow as tf

from unikeras.layers.tensorflow import Dense, flatten


class OwnLoss(tf.Module):
    def __init__(self, features, num_classes):
        super().__init__()
        self.dense = Dense(features, num_classes)

    def __call__(self, inputs, training):
        return self.dense(flatten(inputs))


def build(input_shape, num_classes):
    return OwnLoss(math.prod(input_shape), num_classes)


def loss(labels, logits):
    return tf.reduce_sum(tf.square(logits - tf.one_hot(labels, logits.shape[-1], dtype=logits.dtype)), axis=-1)
