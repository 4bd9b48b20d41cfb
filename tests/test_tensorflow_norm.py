"""TensorFlow's kernel for BatchNormalization computes what Keras' layer does, and other kinds of layers stay Keras' own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.each_backend
SHAPE = (4, 3, 5, 6)


@pytest.fixture(autouse=True)
def needs_tensorflow(backend: str) -> None:
    if backend not in ("tensorflow", "native-tensorflow"):
        pytest.skip("it is about TensorFlow's kernel")


def draw(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).normal(0.5, 2.0, shape)


def layer_of(backend: str, dtype: str) -> tuple[Any, Any]:
    """A layer whose parameters are set, and what calls it."""
    import tensorflow as tf

    if backend == "native-tensorflow":
        from unikeras.layers.tensorflow import BatchNorm, dtypes

        with dtypes(tf.as_dtype(dtype), tf.float32):
            layer = BatchNorm(SHAPE[-1])
    else:
        import keras

        from unikeras.backends import _tensorflow_norm

        _tensorflow_norm.fuse_norms()
        layer = keras.layers.BatchNormalization(dtype="mixed_bfloat16" if dtype == "bfloat16" else dtype)
        layer.build(SHAPE)
    layer.gamma.assign(draw(SHAPE[-1]))
    layer.beta.assign(draw(SHAPE[-1]) + 1)
    layer.moving_variance.assign(np.ones(SHAPE[-1]))
    return layer, lambda inputs: layer(inputs, training=True)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 2e-6), ("bfloat16", 1e-2)])
def test_outputs_statistics_and_gradients_are_those_of_the_equations(backend: str, dtype: str, tolerance: float) -> None:
    import tensorflow as tf

    layer, call = layer_of(backend, dtype)
    inputs, upstream = (tf.cast(tf.constant(value), dtype) for value in (draw(*SHAPE), draw(1, *SHAPE)[0]))
    parameters = [tf.convert_to_tensor(layer.gamma), tf.convert_to_tensor(layer.beta)]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = call(inputs)
    (received,) = tape.gradient(outputs, [inputs], upstream)

    x, g = (np.asarray(tf.cast(value, tf.float64)) for value in (inputs, upstream))
    gamma, beta = (np.asarray(parameter, np.float64) for parameter in parameters)
    mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
    deviation = np.sqrt(variance + 1e-3)
    normal = (x - mean) / deviation
    expected = gamma / deviation * (g - g.mean((0, 1, 2)) - normal * (g * normal).mean((0, 1, 2)))
    assert outputs.dtype == received.dtype == inputs.dtype
    for got, right in ((outputs, normal * gamma + beta), (received, expected)):
        np.testing.assert_allclose(np.asarray(tf.cast(got, tf.float64)), right, rtol=0, atol=tolerance * np.abs(right).max())
    for moving, right in ((layer.moving_mean, 0.01 * mean), (layer.moving_variance, 0.99 + 0.01 * variance)):
        np.testing.assert_allclose(np.asarray(tf.convert_to_tensor(moving)), right, rtol=1e-5, atol=1e-7)


def test_the_kernel_is_used_in_training_alone_and_not_in_float64(backend: str) -> None:
    import tensorflow as tf

    def operations(dtype: str, training: bool) -> set[str]:
        layer, _ = layer_of(backend, dtype)
        step = tf.function(lambda inputs: layer(inputs, training=training))
        return {one.type for one in step.get_concrete_function(tf.TensorSpec(SHAPE, dtype)).graph.get_operations()}

    assert "FusedBatchNormV3" in operations("float32", True)
    assert "FusedBatchNormV3" in operations("bfloat16", True)
    assert "FusedBatchNormV3" not in operations("float32", False)
    if backend == "tensorflow":
        assert "FusedBatchNormV3" not in operations("float64", True)


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((4, 3, 5, 6), {"axis": 1}),
        ((4, 3, 5, 6), {"axis": 2}),
        ((4, 6), {}),
        ((4, 5, 6), {}),
        ((4, 3, 5, 6), {"scale": False}),
        ((4, 3, 5, 6), {"center": False}),
        ((4, 3, 5, 6), {"trainable": False}),
        ((4, 3, 5, 6), {"renorm": True}),
        ((4, 3, 5, 6), {"epsilon": 1e-6}),
    ],
)
def test_layers_of_another_kind_stay_keras_own(backend: str, shape: tuple[int, ...], options: dict[str, Any]) -> None:
    if backend != "tensorflow":
        pytest.skip("it is about Keras' layers")
    import keras
    import tensorflow as tf

    from unikeras.backends import _tensorflow_norm

    _tensorflow_norm.fuse_norms()
    layer = keras.layers.BatchNormalization(**options)
    layer.build(shape)
    step = tf.function(lambda inputs: layer(inputs, training=True))
    graph = step.get_concrete_function(tf.TensorSpec(shape, tf.float32)).graph
    assert "FusedBatchNormV3" not in {one.type for one in graph.get_operations()}
