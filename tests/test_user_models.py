"""A user's own model file: every kind of Keras model trains, native siblings join, and mistakes are named with their line."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from support import MODEL_FILES, unikeras

import unikeras as uk
from unikeras import weights
from unikeras.backends import BACKENDS
from unikeras.data.dataset import Dataset

DATA = ("--dataset", "random:16x16x3:4:80", "--epochs", 2, "--batch-size", 16)


def keras_only(backend: str) -> None:
    if not BACKENDS[backend].uses_keras:
        pytest.skip("a Keras model without a native sibling")


def test_subclassed_models_with_custom_layers_train(backend: str, tmp_path: Path) -> None:
    keras_only(backend)
    answer = unikeras(
        "train", "--backend", backend, "--model", MODEL_FILES / "layers_zoo.py", *DATA, "--output", tmp_path / "r", "--json"
    )
    assert answer.code == 0, answer
    weights = uk.load_run(tmp_path / "r").weights()
    assert {"encoder/conv/kernel", "encoder/norm/moving_mean", "encoder/scale/scale", "head/kernel"} <= weights.keys()


def test_own_initialisers_agree_across_keras_backends(tmp_path: Path, backend_names: list[str]) -> None:
    names = [name for name in backend_names if BACKENDS[name].uses_keras]
    if len(names) < 2:
        pytest.skip("needs two Keras backends")
    answer = unikeras(
        "train", "--backend", ",".join(names), "--model", MODEL_FILES / "layers_zoo.py", *DATA, "--output", tmp_path / "r"
    )
    assert answer.code == 0, answer  # backends that start from other weights are refused
    starts = {uk.load_run(tmp_path / "r" / name).provenance["initial_weights"] for name in names}
    assert len(starts) == 1


@pytest.mark.one_backend
def test_an_own_loss_replaces_cross_entropy(backend: str, tmp_path: Path) -> None:
    """At a rate that moves nothing, the epoch's loss is the mean over the samples of Σ(x·W − onehot)² with the seeded W."""
    still = (*DATA, "--learning-rate", 1e-12)
    answer = unikeras(
        "train", "--backend", backend, "--model", MODEL_FILES / "own_loss.py", *still, "--output", tmp_path / "r", "--json"
    )
    assert answer.code == 0, answer
    (folder,) = (Path(os.environ["UNIKERAS_CACHE_DIR"]) / "datasets").glob("random-16x16x3-4-80-*/")
    train = Dataset.open(folder).train
    logits = train.x.reshape(80, -1) / 255 @ weights.initial_value(0, "dense/kernel", (768, 4))
    expected = ((logits - np.eye(4)[train.y]) ** 2).sum(axis=1).mean()
    assert answer.json["runs"][0]["train_loss"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.one_backend
def test_label_smoothing_with_an_own_loss_is_refused(backend: str, tmp_path: Path) -> None:
    answer = unikeras(
        "train", "--backend", backend, "--model", MODEL_FILES / "own_loss.py", *DATA, "--label-smoothing", 0.1, cwd=tmp_path
    )
    assert answer.code == 2
    assert "label smoothing" in answer.err


def test_a_missing_sibling_is_named_with_what_it_must_define(tmp_path: Path) -> None:
    model = MODEL_FILES / "layers_zoo.py"
    for framework, returned in (("torch", "torch.nn.Module"), ("tensorflow", "tf.Module")):
        answer = unikeras("train", "--backend", f"native-{framework}", "--model", model, *DATA, cwd=tmp_path)
        assert answer.code == 2
        assert f"layers_zoo_{framework}.py" in answer.err
        assert f"build(input_shape, num_classes) -> {returned}" in answer.err


def test_backends_that_start_from_other_weights_are_refused(tmp_path: Path) -> None:
    for path in MODEL_FILES.glob("linear*.py"):
        (tmp_path / path.name).write_text(path.read_text())
    keras_file = tmp_path / "linear.py"
    keras_file.write_text(keras_file.read_text().replace('name="conv"', 'kernel_initializer="he_normal", name="conv"'))
    data = ("--dataset", "random:1x1x4:3:50", "--epochs", 1, "--output", tmp_path / "r")
    answer = unikeras("train", "--backend", "torch,native-torch", "--model", keras_file, *data)
    assert answer.code == 2
    assert "native-torch starts from other initial weights than torch" in answer.err
    sibling = tmp_path / "linear_torch.py"
    sibling.write_text(sibling.read_text() + '\n\ninitializers = {"conv/kernel": "he_normal"}\n')
    answer = unikeras("train", "--backend", "torch,native-torch", "--model", keras_file, *data[:-1], tmp_path / "r2")
    assert answer.code == 0, answer


def test_a_native_layer_without_counterpart_in_keras_is_named(tmp_path: Path) -> None:
    for path in MODEL_FILES.glob("linear*.py"):
        (tmp_path / path.name).write_text(path.read_text())
    sibling = tmp_path / "linear_torch.py"
    made = "num_classes, 1)\n"
    sibling.write_text(sibling.read_text().replace(made, f"{made}        self.slope = nn.PReLU(3)\n", 1))
    options = ("--model", tmp_path / "linear.py", "--dataset", "random:1x1x4:3:50", "--epochs", 1, "--output", tmp_path / "r")
    answer = unikeras("train", "--backend", "torch,native-torch", *options)
    assert answer.code == 2
    assert "native-torch has other parameters than torch: slope/weight is unknown to torch." in answer.err
    assert "same names and shapes as the Keras file" in answer.err


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    model = tmp_path / "model.py"
    model.write_text("def build(shape, classes):\n    return 1 / 0\n")
    answer = unikeras("train", "--backend", "torch", "--model", model, *DATA, "--debug", cwd=tmp_path)
    assert answer.code == 2
    assert "Traceback" in answer.err
    assert "ZeroDivisionError" in answer.err


@pytest.mark.parametrize(("code", "said"), [("os.kill(os.getpid(), 9)", "SIGKILL"), ("os._exit(7)", "exit status 7")])
def test_a_dead_worker_is_reported_with_its_log(code: str, said: str, tmp_path: Path) -> None:
    model = tmp_path / "model.py"
    model.write_text(f"import os\nprint('last words', flush=True)\n{code}\n")
    answer = unikeras("train", "--backend", "torch", "--model", model, *DATA, "--output", tmp_path / "run")
    assert answer.code == 1
    assert f"The worker process died: {said}" in answer.err
    assert "last words" in answer.err
    evaluated = unikeras("evaluate", tmp_path / "run")
    assert evaluated.code == 2
    assert "did not finish" in evaluated.err


@pytest.mark.one_backend
def test_a_model_too_deep_for_its_images_says_how_to_resize_them(backend: str, tmp_path: Path) -> None:
    answer = unikeras("train", "--backend", backend, "--dataset", "random:8x8x3:4:20", "--output", tmp_path / "run")
    assert answer.code == 2
    assert "--image-size" in answer.err
