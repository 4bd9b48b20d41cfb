"""Large batches in parts on TensorFlow: their numbers are those of whole batches; a model that couples samples stays whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import MODEL_FILES

SHAPE = (32, 32, 3)
INPUTS = {"shape": list(SHAPE), "dtype": "uint8", "class_names": ["a", "b", "c"], "scale": 1 / 255, "offset": 0.0}
pytestmark = pytest.mark.each_backend

# Subtracts the mean of the batch, and keeps nothing of it.
COUPLED = {
    "coupled.py": """import keras
from keras import layers


def build(input_shape, num_classes):
    inputs = keras.Input(input_shape)
    x = layers.Conv2D(32, 3, activation="relu", name="conv")(inputs)
    x = x - keras.ops.mean(x, axis=0, keepdims=True)
    x = layers.Dense(num_classes, name="dense")(layers.Flatten()(x))
    return keras.Model(inputs, x)
""",
    "coupled_tensorflow.py": """import tensorflow as tf
from unikeras.layers.tensorflow import Conv2D, Dense, flatten


class Coupled(tf.Module):
    def __init__(self, channels, num_classes):
        super().__init__()
        self.conv = Conv2D(channels, 32, 3)
        self.dense = Dense(30 * 30 * 32, num_classes)

    def __call__(self, inputs, training):
        x = tf.nn.relu(self.conv(inputs))
        return self.dense(flatten(x - tf.reduce_mean(x, 0, keepdims=True)))


def build(input_shape, num_classes):
    return Coupled(input_shape[-1], num_classes)
""",
}


@pytest.fixture(autouse=True)
def needs_tensorflow(backend: str) -> None:
    if backend not in ("tensorflow", "native-tensorflow"):
        pytest.skip("it is about TensorFlow's step")


def make(backend: str, model: str | Path = "cnn", **changes: Any) -> Any:
    from unikeras.factory import make_backend
    from unikeras.settings import Settings

    return make_backend(Settings(backend=backend, model=str(model), **changes), backend, INPUTS)


def batch(size: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(size)
    return rng.integers(0, 256, (size, *SHAPE), dtype=np.uint8), rng.integers(0, 3, size)


def whole(made: Any, size: int) -> Any:
    """Takes batches of this size whole."""
    made._steps[size] = made._train
    return made


@pytest.mark.parametrize("changes", [{}, {"label_smoothing": 0.1, "weight_decay": 0.01, "clip_norm": 0.5}])
def test_steps_in_parts_are_those_of_whole_batches(backend: str, changes: dict[str, float]) -> None:
    """Parts of 50 samples can't all be as large as each other; the smaller last batch of an epoch is taken whole."""
    parts, whole_batches = make(backend, dtype="float64", **changes), whole(make(backend, dtype="float64", **changes), 50)
    for size in (50, 50, 7, 50):
        losses = [float(one.train_step(*batch(size), 1e-3)) for one in (parts, whole_batches)]
        assert losses[0] == pytest.approx(losses[1], rel=1e-12)
    assert parts._parts.count(50) == 3
    assert [size for size, step in parts._steps.items() if step is not parts._train] == [50]
    received, expected = parts.read_metrics(), whole_batches.read_metrics()
    assert received == (pytest.approx(expected.loss_sum, rel=1e-12), expected.correct, expected.samples)
    for name, value in whole_batches.weights().items():
        np.testing.assert_allclose(parts.weights()[name], value, rtol=0, atol=1e-12 * np.abs(value).max(), err_msg=name)


def test_the_same_training_in_parts_ends_with_the_same_bits(backend: str) -> None:
    """The parts run side by side, and their gradients are added up in one order all the same."""
    made = [make(backend) for _ in range(2)]
    for one in made:
        for _ in range(3):
            one.train_step(*batch(128), 1e-3)
        assert one._steps[128] is not one._train
    first, second = (one.weights() for one in made)
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_what_fits_the_cache_is_taken_whole_and_so_is_what_no_part_of_fits(backend: str) -> None:
    made = make(backend)
    assert [made._parts.count(size) for size in (1, 32, 64, 128, 256, 512, 2048, 4096)] == [1, 1, 1, 4, 8, 16, 16, 1]
    assert make(backend, "mlp")._parts.count(512) == 1


def test_a_part_has_four_samples_at_least(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where fewer fill the cache, as large images do, parts would gain nothing."""
    from unikeras.backends import _tensorflow_parts

    monkeypatch.setattr(_tensorflow_parts, "PART_BYTES", 2**20)
    assert [make(backend)._parts.count(size) for size in (16, 64)] == [1, 16]


@pytest.mark.parametrize(("megabytes", "counts"), [(4, [4, 8, 16]), (8, [1, 1, 16])])
def test_the_gradients_of_the_parts_take_less_memory_than_the_activations(
    backend: str, megabytes: int, counts: list[int]
) -> None:
    parts = make(backend)._parts
    parts._bytes = (parts._measure()[0], megabytes * 10**6)
    assert [parts.count(size) for size in (128, 256, 1024)] == counts


def test_deciding_leaves_the_weights_and_the_metrics_alone(backend: str) -> None:
    made = make(backend)
    before = made.weights()
    assert made._parts.count(256) > 1
    assert all(np.array_equal(value, before[name]) for name, value in made.weights().items())
    assert made.read_metrics().samples == 0


@pytest.mark.parametrize("model", ["resnet8", "probe"])
def test_models_with_statistics_or_dropout_are_taken_whole(backend: str, model: str) -> None:
    assert make(backend, model)._parts.count(4096) == 1


def test_a_model_that_couples_samples_is_taken_whole(backend: str, tmp_path: Path) -> None:
    for name, text in COUPLED.items():
        (tmp_path / name).write_text(text)
    made = make(backend, tmp_path / "coupled.py")
    assert made._parts.count(1024) == 1
    assert made._parts._separable is False


def test_a_model_that_fails_at_made_up_values_is_taken_whole_and_the_log_says_so(
    backend: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = make(backend)

    def fail(*_: Any) -> None:
        raise ValueError("no such word")

    monkeypatch.setattr(made, "differentiate", fail)
    assert made._parts.count(256) == 1
    assert "large batches are not taken in parts (ValueError: no such word)" in capsys.readouterr().out


def test_whole_numbers_may_be_words(backend: str) -> None:
    """Of which this model knows twenty."""
    if backend != "tensorflow":
        pytest.skip("the model is Keras' alone")
    from unikeras.factory import make_backend
    from unikeras.settings import Settings

    inputs = {**INPUTS, "shape": [12], "dtype": "int64", "scale": 1.0}
    made = make_backend(Settings(backend=backend, model=str(MODEL_FILES / "words.py")), backend, inputs)
    assert made._parts.count(100_000) > 1
