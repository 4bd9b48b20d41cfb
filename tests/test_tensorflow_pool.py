"""Compiled gradients of max pooling are TensorFlow's own to the bit, and training changes over to them without a trace."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

INPUTS = {"shape": [21, 21, 3], "dtype": "uint8", "class_names": ["a", "b", "c"], "scale": 1 / 255, "offset": 0.0}
pytestmark = pytest.mark.each_backend


@pytest.fixture(autouse=True)
def needs_tensorflow(backend: str) -> None:
    if backend not in ("tensorflow", "native-tensorflow"):
        pytest.skip("it is about TensorFlow's gradient")


def make(backend: str) -> Any:
    from unikeras.factory import make_backend
    from unikeras.settings import Settings

    made = make_backend(Settings(backend=backend, model="cnn"), backend, INPUTS)
    made.load_weights({name: np.full_like(value, 0.01) if value.ndim == 1 else value for name, value in made.weights().items()})
    return made


def batches() -> list[tuple[np.ndarray, np.ndarray]]:
    """The third is a smaller one, as an epoch's last."""
    rng = np.random.default_rng(0)
    return [(rng.integers(0, 256, (size, 21, 21, 3), dtype=np.uint8), rng.integers(0, 3, size)) for size in (8, 8, 5, 8, 8)]


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
@pytest.mark.parametrize(("size", "length"), [(2, 8), (2, 9), (3, 11)])
def test_gradients_are_tensorflows_where_maxima_are_equal_too(backend: str, dtype: str, size: int, length: int) -> None:
    import tensorflow as tf

    from unikeras.layers import tensorflow_pool

    rng = np.random.default_rng(0)
    inputs = tf.cast(rng.integers(0, 4, (3, length, length + 2, 5)), dtype)
    outputs = tf.nn.max_pool2d(inputs, size, size, "VALID")
    gradient = tf.cast(rng.standard_normal(outputs.shape), dtype)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        pooled = tf.nn.max_pool2d(inputs, size, size, "VALID")
    expected = tape.gradient(pooled, inputs, gradient)
    received = tensorflow_pool.spread(gradient, inputs, outputs, size=size)
    assert received.dtype == expected.dtype
    assert bool(tf.reduce_all(received == expected))
    assert float(tf.reduce_sum(tf.abs(tf.cast(expected, tf.float64)))) > 0


def test_training_changes_over_without_a_trace(backend: str) -> None:
    plain, changing = make(backend), make(backend)
    changing._train.seconds = 0.0
    for number, (inputs, labels) in enumerate(batches()):
        if number == 1:
            changing._train.seconds = 1e6  # as after a long training
        losses = [float(one.train_step(inputs, labels, 1e-3)) for one in (plain, changing)]
        assert losses[0] == losses[1]
    assert (plain._train.is_worth_it, changing._train.is_worth_it) == (None, True)
    assert len(changing._train.compiled._list_all_concrete_functions()) == 1
    expected, received = plain.weights(), changing.weights()
    assert all(np.array_equal(received[name], value) for name, value in expected.items())


def test_poolings_of_another_kind_stay_keras_own(backend: str) -> None:
    if backend != "tensorflow":
        pytest.skip("it is about Keras' layers")
    import keras
    import tensorflow as tf
    from keras.src.backend.tensorflow import nn as keras_nn

    from unikeras.layers import tensorflow_pool

    make(backend)
    inputs = tf.random.stateless_normal((2, 9, 9, 3), (0, 1))
    kinds: list[dict[str, Any]] = [
        {"pool_size": 3, "strides": 2},
        {"pool_size": 2, "padding": "same"},
        {"pool_size": (2, 3)},
        {"pool_size": 2, "data_format": "channels_first"},
        {"pool_size": (2, 2), "strides": (2, 2)},
    ]
    for kind in kinds:
        layer = keras.layers.MaxPooling2D(**kind)
        original = keras_nn.max_pool.__wrapped__
        with tf.GradientTape(persistent=True) as tape, tensorflow_pool.compiled_gradients():
            tape.watch(inputs)
            expected = original(inputs, layer.pool_size, layer.strides, layer.padding, layer.data_format)
            received = layer(inputs)
        assert received.shape == expected.shape, kind
        weights = tf.sqrt(tf.abs(expected))
        gradients = [tape.gradient(outputs, inputs, weights) for outputs in (expected, received)]
        assert bool(tf.reduce_all(gradients[0] == gradients[1])), kind
