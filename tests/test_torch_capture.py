"""Keras on torch runs graphs of its models, which compute what the models do; those that can't be captured run as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

INPUTS = {"shape": [18, 18, 3], "dtype": "uint8", "class_names": ["a", "b", "c"], "scale": 1 / 255, "offset": 0.0}
pytestmark = pytest.mark.each_backend(uses_keras=True)

LAYER = """
import random
import keras
import torch

class Own(keras.layers.Layer):
    def call(self, x):
        {body}

def build(shape, classes):
    layers = [keras.layers.Flatten(), keras.layers.Dense(4), Own(), keras.layers.Dense(classes)]
    return keras.Sequential([keras.Input(shape), *layers])
"""
AROUND = """
import keras
from keras import layers

def build(shape, classes):
    inputs = keras.Input(shape)
    first = layers.Conv2D(4, 3, name="first")(inputs)
    around = layers.Add(name="around")([first, layers.ReLU(name="relu")(first)])
    twice = layers.Conv2D(4, 3, padding="same", name="twice")
    outputs = layers.Flatten(name="flatten")(layers.ReLU(name="last")(twice(twice(around))))
    return keras.Model(inputs, layers.Dense(classes, name="dense")(outputs))
"""
BRANCH = """
import keras
from keras import layers

def build(shape, classes):
    inputs = keras.Input(shape)
    rectified = layers.Conv2D(4, 3, activation="relu", name="first")(inputs)
    pooled = layers.Flatten(name="pooled")(layers.MaxPooling2D(name="pool")(rectified))
    whole = layers.Flatten(name="whole")(rectified)
    return keras.Model(inputs, layers.Dense(classes, name="dense")(layers.Concatenate(name="both")([pooled, whole])))
"""
# Bodies of a layer, and what is said of them.
UNFIT = {
    "reads a tensor in Python": (
        "return x if float(x.detach().mean()) > 1e9 else x * 2",
        "Could not guard on data-dependent expression",
    ),
    "reads its seed in Python": (  # in a layer of Keras', which raises torch's error again without its message
        "return keras.layers.Dropout(0.5, seed=3)(x, training=True)",
        "Could not extract specialized integer from data-dependent expression",
    ),
    "keeps gradients away": ("with torch.no_grad():\n            return x * 2", "the graph differs from the model"),
    "draws in Python": ("return x * random.random()", "two calls of the model are not the same"),
    "draws in Python what hardly matters": (
        "return x * (1 + 1e-4 * random.random())",  # only a second trace tells
        "two calls of the model are not the same",
    ),
}


@pytest.fixture(autouse=True)
def needs_torch(backend: str) -> None:
    if backend != "torch":
        pytest.skip("graphs are for Keras on torch")


def make(model: str | Path, dtype: str = "float32") -> Any:
    from unikeras.factory import make_backend
    from unikeras.settings import Settings

    return make_backend(Settings(backend="torch", model=str(model), dtype=dtype), "torch", INPUTS)


def batch(size: int = 16) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (size, 18, 18, 3), dtype=np.uint8), rng.integers(0, 3, size)


def without_graphs(model: Any) -> Any:
    """The same backend, which calls its model layer by layer."""
    for size in (16, 5):
        model.captured.graphs[model.to_device(batch(size)[0]).shape] = None
    return model


def require_equal_gradients(file: Path) -> None:
    """Of a model's graph and of the model itself, up to rounding."""
    captured, plain = make(file, "float64"), without_graphs(make(file, "float64"))
    (loss, gradients), (expected_loss, expected) = (one.gradients(*batch()) for one in (captured, plain))
    assert list(captured.captured.graphs.values()) != [None]
    assert loss == pytest.approx(expected_loss, rel=1e-13)
    for name, array in expected.items():
        np.testing.assert_allclose(gradients[name], array, rtol=1e-10, atol=1e-14, err_msg=name)


@pytest.mark.parametrize("model", ["mlp", "cnn", "simple-cnn", "resnet8", "probe"])
def test_bundled_models_run_as_graphs_for_every_size_of_batch(model: str) -> None:
    captured = make(model)
    for size in (16, 5, 16):
        captured.train_step(*batch(size), 1e-3)
    assert [graph is not None for graph in captured.captured.graphs.values()] == [True, True]


def test_a_graph_takes_the_model_s_steps_to_the_bit() -> None:
    captured, plain = make("mlp"), without_graphs(make("mlp"))
    for size in (16, 5, 16):
        losses = [float(one.train_step(*batch(size), 1e-2)) for one in (captured, plain)]
        assert losses[0] == losses[1]
    for name, array in plain.weights().items():
        np.testing.assert_array_equal(captured.weights()[name], array, err_msg=name)


@pytest.mark.parametrize("model", ["cnn", "simple-cnn", "resnet8", "probe"])
def test_fused_operations_differ_by_rounding_only(model: str) -> None:
    captured, plain = make(model, "float64"), without_graphs(make(model, "float64"))
    for one in (captured, plain):
        one.disable_dropout()
    (loss, gradients), (expected_loss, expected) = (one.gradients(*batch()) for one in (captured, plain))
    assert list(captured.captured.graphs.values()) != [None], "the graph was rejected, and the model compared with itself"
    assert loss == pytest.approx(expected_loss, rel=1e-13)
    largest = max(np.abs(array).max() for array in expected.values())
    for name, array in expected.items():
        np.testing.assert_allclose(gradients[name], array, rtol=1e-10, atol=1e-13 * largest, err_msg=name)
    for name, array in plain.weights().items():  # the moving statistics among them
        np.testing.assert_allclose(captured.weights()[name], array, rtol=1e-12, atol=1e-15, err_msg=name)


def test_biases_and_rectifiers_of_convolutions_take_no_pass_of_their_own() -> None:
    captured = make("cnn")
    captured.gradients(*batch())
    (graph,) = captured.captured.graphs.values()
    operations = [str(node.target) for node in graph.run.graph.nodes]
    assert operations.count("aten.relu_.default") == 4
    assert operations.count("aten.relu.default") == 0
    assert operations.count("aten.add.Tensor") == 2  # the dense layers'


def test_rectifiers_go_behind_poolings_to_the_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    """On values with ties and without anything positive, too: fields of zeros, and of equal numbers."""
    from unikeras.backends import _torch_fusion

    captured, plain = make("cnn"), make("cnn")
    images, labels = batch()
    images[0], images[1, :9] = 0, 255
    for one in (captured, plain):
        one.load_weights({name: array - 0.02 if name.endswith("bias") else array for name, array in one.weights().items()})
    loss, gradients = captured.gradients(images, labels)
    monkeypatch.setattr(_torch_fusion, "_delay", lambda relu: None)
    expected_loss, expected = plain.gradients(images, labels)
    (graph,) = captured.captured.graphs.values()
    nodes = [node for node in graph.run.graph.nodes if str(node.target) == "aten.relu_.default"]
    assert ["max_pool" in str(node.args[0].args[0]) for node in nodes] == [True, True, False, False]
    assert loss == expected_loss
    assert all(np.array_equal(gradients[name], array) for name, array in expected.items())


def test_a_rectifier_that_others_read_stays_before_its_pooling(tmp_path: Path) -> None:
    file = tmp_path / "model.py"
    file.write_text(BRANCH)
    require_equal_gradients(file)


def test_what_is_read_again_is_not_overwritten(tmp_path: Path) -> None:
    """A convolution's output that goes around the rectifier as well; and one whose bias another layer has, too."""
    file = tmp_path / "model.py"
    file.write_text(AROUND)
    require_equal_gradients(file)


def test_masks_of_dropout_are_drawn_anew_at_each_step_from_the_saved_generator() -> None:
    model = make("probe")
    start = model.weights()

    def loss() -> float:
        model.load_weights(start)
        return float(model.gradients(*batch())[0])

    state = model.random_state()
    first, second = loss(), loss()
    assert first != second
    model.load_random_state(state)
    assert (loss(), loss()) == (first, second)


@pytest.mark.parametrize("reason", UNFIT)
def test_a_model_that_is_no_graph_runs_as_it_is_and_says_so(
    reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "model.py"
    file.write_text(LAYER.format(body=UNFIT[reason][0]))
    model = make(file)
    for _ in range(2):
        assert np.isfinite(float(model.train_step(*batch(), 1e-3)))
    assert list(model.captured.graphs.values()) == [None]
    said = capsys.readouterr().out
    assert said.count("unikeras: the model is called layer by layer, without a graph") == 1
    assert UNFIT[reason][1] in said


@pytest.mark.parametrize("reason", UNFIT)
def test_looking_for_a_graph_draws_nothing(reason: str, tmp_path: Path) -> None:
    """A resumed training looks at another step; from there on both have to draw the same."""
    file = tmp_path / "model.py"
    file.write_text(LAYER.format(body=UNFIT[reason][0]))
    plain, looking = without_graphs(make(file)), make(file)  # the second seeds the generators
    start = looking.random_state()
    looking.train_step(*batch(), 1e-3)
    after = looking.random_state()
    plain.load_random_state(start)
    plain.train_step(*batch(), 1e-3)
    for name, array in plain.random_state().items():
        np.testing.assert_array_equal(after[name], array, err_msg=name)


def test_the_penalty_of_layers_is_part_of_the_graph(tmp_path: Path) -> None:
    file = tmp_path / "model.py"
    file.write_text(
        "import keras\ndef build(shape, classes):\n    return keras.Sequential([keras.Input(shape), keras.layers.Flatten(),"
        " keras.layers.Dense(4, kernel_regularizer='l2', activity_regularizer='l1'), keras.layers.Dense(classes)])\n"
    )
    captured, plain = make(file), without_graphs(make(file))
    (loss, gradients), (expected_loss, expected) = (one.gradients(*batch()) for one in (captured, plain))
    assert next(iter(captured.captured.graphs.values())) is not None
    assert loss == expected_loss
    assert all(np.array_equal(gradients[name], array) for name, array in expected.items())
