"""What TensorFlow reaches alone: products at their shapes, in one graph without XLA, and memory."""

from __future__ import annotations

import tensorflow as tf

from unikeras.backends import _tensorflow
from unikeras.backends.base import ModelSpec
from unikeras.bench.limit import STREAM_BYTES, Times, stream_rate
from unikeras.bench.work import Product


def configure(spec: ModelSpec) -> None:
    """Threads, and float32 that means float32, as in a training."""
    _tensorflow.configure(spec)


def bandwidth() -> float:
    """Bytes a second, by a ← a + b in place, which moves three arrays. A copy would move none: `assign` shares the memory."""
    a, b = (tf.Variable(tf.ones(STREAM_BYTES // 4)) for _ in range(2))

    @tf.function
    def add() -> tf.Tensor:
        a.assign_add(b, read_value=False)
        return a[0]

    return stream_rate(lambda: add().numpy(), 3 * STREAM_BYTES)


def ways(product: Product, batch_size: int, dtype: str) -> list[Times]:
    """A product and its gradients, in TensorFlow's layout."""
    inputs, kernel = (tf.random.normal(shape, dtype=dtype) for shape in ((batch_size, *product.inputs), product.kernel))
    gradient = tf.random.normal((batch_size, *product.outputs), dtype=dtype)
    wanted = [tensor for tensor, needed in ((inputs, product.by_inputs), (kernel, product.by_kernel)) if needed]

    @tf.function
    def repeat(times: tf.Tensor) -> tf.Tensor:
        total = tf.zeros((), dtype)
        for _ in tf.range(times):
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(wanted)
                outputs = _multiply(product, inputs, kernel)
            results = [outputs, *tape.gradient(outputs, wanted, gradient)]
            # A number of each result is used, or the graph would be freed of what made it.
            total += tf.add_n([tf.reshape(result, [-1])[0] for result in results])
        return total

    return [lambda times: repeat(tf.constant(times)).numpy()]


def _multiply(product: Product, inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    if product.kind == "dense":
        return tf.tensordot(inputs, kernel, 1)
    if product.kind == "depthwise":
        strides = (1, *product.strides, 1)
        return tf.nn.depthwise_conv2d(inputs, kernel, strides, product.padding.upper(), dilations=product.dilation)
    return tf.nn.conv2d(inputs, kernel, product.strides, product.padding.upper(), dilations=product.dilation)
