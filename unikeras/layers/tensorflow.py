"""tf.Modules with Keras' arithmetic, for native model files. Inputs are channels last, B×H×W×C.

Variables start at zero: the backend fills them with seeded values.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator, Sequence

import tensorflow as tf

from unikeras.layers import tensorflow_norm

EPSILON = 1e-3  # of Keras' normalizations
_dtypes = (tf.float32, tf.float32)


@contextlib.contextmanager
def dtypes(compute: tf.DType, variable: tf.DType) -> Iterator[None]:
    """Layers that are made while it lasts compute in one type and keep their variables in another."""
    global _dtypes
    previous, _dtypes = _dtypes, (compute, variable)
    try:
        yield
    finally:
        _dtypes = previous


class Layer(tf.Module):
    """Base: knows the types that were in force when it was made."""

    def __init__(self) -> None:
        super().__init__()
        self.compute_dtype, self.variable_dtype = _dtypes

    def variable(self, shape: Sequence[int], trainable: bool = True) -> tf.Variable:
        """A new variable of zeros."""
        return tf.Variable(tf.zeros(shape, self.variable_dtype), trainable=trainable)

    def cast(self, tensor: tf.Tensor) -> tf.Tensor:
        """A tensor or variable in the type of the arithmetic."""
        return tf.cast(tensor, self.compute_dtype)


class Conv2D(Layer):
    """Convolution: kernel H×W×in×out; `same` or `valid` padding is TensorFlow's own, which is Keras'."""

    def __init__(
        self, inputs: int, filters: int, size: int, *, stride: int = 1, padding: str = "valid", bias: bool = True
    ) -> None:
        super().__init__()
        self.kernel = self.variable((size, size, inputs, filters))
        self.bias = self.variable((filters,)) if bias else None
        self.stride, self.padding = stride, padding.upper()

    def __call__(self, inputs: tf.Tensor) -> tf.Tensor:
        outputs = tf.nn.conv2d(self.cast(inputs), self.cast(self.kernel), self.stride, self.padding)
        return outputs if self.bias is None else tf.nn.bias_add(outputs, self.cast(self.bias))


class Dense(Layer):
    """Linear map of the last axis: kernel in×out."""

    def __init__(self, inputs: int, units: int) -> None:
        super().__init__()
        self.kernel = self.variable((inputs, units))
        self.bias = self.variable((units,))

    def __call__(self, inputs: tf.Tensor) -> tf.Tensor:
        return tf.nn.bias_add(tf.matmul(self.cast(inputs), self.cast(self.kernel)), self.cast(self.bias))


class BatchNorm(Layer):
    """Keras' BatchNormalization over B×H×W: ε is 1e-3, running statistics keep 0.99, and their variance is the biased one.

    It computes in the type of its variables, for Keras' does so under mixed precision.

    Args:
        channels: Last axis of the inputs.
        momentum: What the running statistics keep at each step.
    """

    def __init__(self, channels: int, momentum: float = 0.99) -> None:
        super().__init__()
        self.momentum = momentum
        self.gamma = self.variable((channels,))
        self.beta = self.variable((channels,))
        self.moving_mean = self.variable((channels,), trainable=False)
        self.moving_variance = self.variable((channels,), trainable=False)

    def __call__(self, inputs: tf.Tensor, training: bool) -> tf.Tensor:
        if not training:
            return self.normalize(inputs, self.moving_mean, self.moving_variance)
        if tensorflow_norm.has_kernel(inputs, EPSILON):
            outputs, mean, variance = tensorflow_norm.normalize(inputs, self.gamma, self.beta, EPSILON)
        else:
            mean, variance = tf.nn.moments(tf.cast(inputs, self.variable_dtype), [0, 1, 2])
            outputs = self.normalize(inputs, mean, variance)
        self.moving_mean.assign_sub((self.moving_mean - mean) * (1 - self.momentum))
        self.moving_variance.assign_sub((self.moving_variance - variance) * (1 - self.momentum))
        return outputs

    def normalize(self, inputs: tf.Tensor, mean: tf.Tensor, variance: tf.Tensor) -> tf.Tensor:
        """By these statistics, in the type of the variables."""
        wide = tf.cast(inputs, self.variable_dtype)
        return self.cast(tf.nn.batch_normalization(wide, mean, variance, self.beta, self.gamma, EPSILON))


class LayerNorm(Layer):
    """Keras' LayerNormalization over the last axis: ε is 1e-3. It computes in the type of its variables, as Keras' does."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.gamma = self.variable((features,))
        self.beta = self.variable((features,))

    def __call__(self, inputs: tf.Tensor) -> tf.Tensor:
        inputs = tf.cast(inputs, self.variable_dtype)
        mean, variance = tf.nn.moments(inputs, [-1], keepdims=True)
        return self.cast(tf.nn.batch_normalization(inputs, mean, variance, self.beta, self.gamma, EPSILON))


class Dropout(Layer):
    """Keras' Dropout: sets inputs to zero with probability `rate` in training, and scales the others up.

    Unlike tf.nn.dropout's, its generator is part of a checkpoint, so that a resumed run draws the masks of an unbroken one. It is
    seeded from Python's generator, which the backend seeds, as Keras' layers are.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self.generator = tf.random.Generator.from_seed(random.randrange(2**31))

    def __call__(self, inputs: tf.Tensor, training: bool) -> tf.Tensor:
        if not training or not self.rate:
            return inputs
        kept = self.generator.uniform(tf.shape(inputs)) >= self.rate
        return tf.where(kept, inputs / (1 - self.rate), tf.zeros_like(inputs))


def max_pool(inputs: tf.Tensor, size: int = 2) -> tf.Tensor:
    """Maximum over size×size fields that don't overlap; rows and columns left over are dropped."""
    return tf.nn.max_pool2d(inputs, size, size, "VALID")


def average_pool(inputs: tf.Tensor, size: int = 2) -> tf.Tensor:
    """Mean over size×size fields that don't overlap; rows and columns left over are dropped."""
    return tf.nn.avg_pool2d(inputs, size, size, "VALID")


def flatten(inputs: tf.Tensor) -> tf.Tensor:
    """Row, column, channel order, as in Keras."""
    return tf.reshape(inputs, (-1, inputs.shape[1:].num_elements()))
