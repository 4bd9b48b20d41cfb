"""Batch normalization in training by TensorFlow's kernel for it, which passes over the activations once, not again and again.

The kernel sums up in float32, whatever it reads, and differs from Keras' operations by rounding. It has no float64.
"""

from __future__ import annotations

import tensorflow as tf

LEAST_EPSILON = 1.001e-5  # TensorFlow's own bound, for the sake of cuDNN


def has_kernel(inputs: tf.Tensor, epsilon: float) -> bool:
    """Whether B×H×W×C inputs can be normalised over all but their last axis by the kernel."""
    return inputs.shape.rank == 4 and inputs.dtype in (tf.float32, tf.bfloat16) and epsilon >= LEAST_EPSILON


def normalize(inputs: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, epsilon: float) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Outputs in the type of the inputs, and the mean and biased variance of the batch, C in float32.

    outputs = (inputs − mean) / √(variance + ε) · gamma + beta
    """
    empty = tf.constant([], tf.float32)  # its running statistics, of which it needs none in training
    outputs, mean, unbiased, *_ = tf.raw_ops.FusedBatchNormV3(
        x=inputs, scale=gamma, offset=beta, mean=empty, variance=empty, epsilon=epsilon, exponential_avg_factor=1.0
    )
    count = tf.cast(tf.size(inputs) // tf.shape(inputs)[-1], tf.float32)
    return outputs, mean, unbiased * ((count - 1) / count)
