"""Exported files compute what their runs do, in their own runtimes; one that doesn't is found, and nothing else is touched."""

from __future__ import annotations

import functools
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import MODEL_FILES, TESTS, Answer, python, unikeras

import unikeras as uk
from unikeras.backends import BACKENDS
from unikeras.exporting import formats, sidecar
from unikeras.exporting.formats import FORMATS

DATA = ("--dataset", "random:8x8x3:3:60", "--epochs", 1, "--normalize", "dataset", "--learning-rate", 0.02)
MATRIX = [(backend, name) for backend in ("tensorflow", "native-torch") for name in FORMATS]
EXTRAS = [("torch", "keras"), ("native-tensorflow", "saved-model")]  # other writers: Keras on torch, TensorFlow alone
# Each format once, but for saved-model, which takes long.
SHORT = {("tensorflow", "onnx"), ("tensorflow", "litert"), ("native-torch", "torch"), ("tensorflow", "keras")}

Trained = Callable[..., Path]


def train(folder: Path, backend: str, model: Path | str, *options: Any) -> Path:
    answer = unikeras("train", "--backend", backend, "--model", model, *(options or DATA), "--output", folder)
    assert answer.code == 0, answer
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A run of a backend, trained when first asked for: a network with BatchNorm where the backend has it, otherwise `mlp`."""
    runs: dict[str, Path] = {}

    def ask(backend: str) -> Path:
        if not BACKENDS[backend].installed:
            pytest.skip(f"{backend} is not installed")
        if backend not in runs:
            model = "mlp" if backend == "native-tensorflow" else MODEL_FILES / "normalized.py"
            runs[backend] = train(tmp_path_factory.mktemp("export") / backend, backend, model)
        return runs[backend]

    return ask


@pytest.fixture(scope="module")
def exported(trained: Trained) -> Callable[[str, str], dict[str, Any]]:
    """What exporting a run has answered, done when first asked for."""
    answers: dict[tuple[str, str], dict[str, Any]] = {}

    def ask(backend: str, name: str) -> dict[str, Any]:
        if (backend, name) not in answers:
            answer = unikeras("export", trained(backend), "--format", name, "--json")
            assert answer.code == 0, answer
            answers[backend, name] = answer.json
        return answers[backend, name]

    return ask


IMAGES = np.random.default_rng(1).integers(0, 256, (5, 8, 8, 3), np.uint8)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    np.save(tmp_path / "images.npy", IMAGES)
    return tmp_path / "images.npy"


@pytest.fixture(scope="module")
def predicted(trained: Trained) -> Callable[[str], list[dict[str, Any]]]:
    """What a run itself predicts for the images."""
    return functools.cache(lambda backend: uk.predict(trained(backend), IMAGES))


@pytest.mark.parametrize(
    ("trained_on", "name"), [pytest.param(*pair, marks=() if pair in SHORT else pytest.mark.long) for pair in MATRIX + EXTRAS]
)
def test_an_export_predicts_as_its_run(trained_on: str, name: str, exported: Any, predicted: Any) -> None:
    answer = exported(trained_on, name)
    figures = answer["verification"]
    assert 0 <= figures["difference"] <= figures["bound"] < 1e-3 * figures["scale"]
    assert figures["source"] == "test images"
    described = json.loads(Path(answer["sidecar"]).read_text())
    assert described["input"].items() >= {"shape": [8, 8, 3], "dtype": "uint8", "normalization": "included"}.items()
    assert described["class_names"] == ["0", "1", "2"]
    for own, other in zip(uk.predict(answer["file"], IMAGES), predicted(trained_on), strict=True):
        assert [entry["name"] for entry in own["classes"]] == [entry["name"] for entry in other["classes"]]
        for left, right in zip(own["classes"], other["classes"], strict=True):
            assert left["probability"] == pytest.approx(right["probability"], abs=1e-4)


def test_a_run_is_no_export_whatever_lies_beside_it(tmp_path: Path) -> None:
    for name in ("run", "run.onnx"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.yaml").write_text("")
        (tmp_path / f"{name}.json").write_text("{}")
        assert not sidecar.is_exported(tmp_path / name)
        assert sidecar.is_exported(tmp_path / f"{name}.json")


@pytest.mark.parametrize("name", ["onnx", "litert"])
def test_prediction_needs_no_framework(name: str, exported: Any, images: Path, tmp_path: Path) -> None:
    """Modules that refuse to be imported stand before the frameworks."""
    for framework in ("torch", "tensorflow", "keras"):
        (tmp_path / f"{framework}.py").write_text("raise RuntimeError('imported')\n")
    search = os.pathsep.join([str(tmp_path), str(TESTS.parent)])
    answer = unikeras("predict", exported("tensorflow", name)["file"], images, "--json", PYTHONPATH=search)
    assert answer.code == 0, answer
    assert len(answer.json["predictions"]) == 5


@pytest.mark.parametrize(
    ("trained_on", "name"),
    [
        ("tensorflow", "onnx"),
        ("native-torch", "torch"),
        pytest.param("tensorflow", "torch", marks=pytest.mark.long),
        pytest.param("native-torch", "onnx", marks=pytest.mark.long),
    ],
)
def test_folders_and_lines_of_the_model_file_stay_at_home(trained_on: str, name: str, exported: Any) -> None:
    content = Path(exported(trained_on, name)["file"]).read_bytes()
    for secret in (b"model_files", b"normalized_torch", b"/unikeras/", b'stack_trace": "File'):
        assert secret not in content, secret


def test_a_wrong_export_is_found_and_kept_under_a_bad_name(tmp_path: Path, images: Path) -> None:
    run = train(tmp_path / "run", "torch", MODEL_FILES / "parts_on_tensorflow.py")
    answer = unikeras("export", run, "--format", "saved-model", "--output", tmp_path / "serve")
    assert answer.code == 1, answer
    assert "does not compute what the run does on torch: a logit differs by" in answer.err
    assert f"The file is kept as {tmp_path / 'serve.bad'}." in answer.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images.npy", "run", "serve.bad"]
    predicted = unikeras("predict", tmp_path / "serve.bad", images)
    assert predicted.code == 2
    assert "has no sidecar" in predicted.err


@pytest.mark.long
def test_without_its_dataset_an_export_is_verified_on_random_images(tmp_path: Path) -> None:
    """Of float32 data, which torch's backends once normalised in place, so that the second evaluation saw other images."""
    rng = np.random.default_rng(0)
    arrays = {f"x_{split}": rng.normal(3, 2, (count, 5)).astype(np.float32) for split, count in (("train", 40), ("test", 20))}
    labels = {f"y_{split}": rng.integers(0, 3, count) for split, count in (("train", 40), ("test", 20))}
    np.savez(tmp_path / "data.npz", **arrays, **labels)
    run = train(tmp_path / "run", "native-torch", "mlp", "--dataset", tmp_path / "data.npz", "--epochs", 1)
    (tmp_path / "data.npz").unlink()
    answer = unikeras("export", run, "--format", "torch", "--json")
    assert answer.code == 0, answer
    assert answer.json["verification"].items() >= {"source": "random images", "images": 64}.items()
    assert "The export is verified on random images." in answer.err


@pytest.mark.long
def test_a_model_that_keras_can_not_write_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    run = train(tmp_path / "run", "torch", MODEL_FILES / "layers_zoo.py")
    answer = unikeras("export", run, "--format", "keras")
    assert answer.code == 1
    assert "can't be exported as keras from torch" in answer.err
    assert "get_config" in answer.err
    assert list((run / "exported").iterdir()) == []


@pytest.mark.long
def test_a_layer_whose_code_the_file_lacks_is_named(tmp_path: Path) -> None:
    run = train(tmp_path / "run", "torch", "resnet8")
    answer = unikeras("export", run, "--format", "keras")
    assert answer.code == 1
    assert "it needs the class Block, whose code a .keras file can't hold." in answer.err
    assert "Choose another --format" in answer.err


def test_an_export_replaces_only_one_of_the_same_run_and_format(exported: Any, trained: Trained, tmp_path: Path) -> None:
    file = shutil.copy(exported("native-torch", "torch")["file"], tmp_path / "model.pt2")

    def export(run: Path) -> Answer:
        return unikeras("export", run, "--format", "torch", "--output", file)

    answer = export(trained("native-torch"))
    assert answer.code == 2
    assert f"{file} exists already, and is no export: it has no model.pt2.json beside it." in answer.err
    shutil.copy(exported("native-torch", "torch")["sidecar"], tmp_path)
    other = export(trained("tensorflow"))
    assert other.code == 2
    assert "an export of another run" in other.err
    Path(file).write_bytes(b"cut short")
    again = export(trained("native-torch"))
    assert again.code == 0, again
    assert sidecar.digest(Path(file)) == sidecar.read(Path(file))["file_hash"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.pt2", "model.pt2.json"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--format", "onx"), "Did you mean onnx?"),
        (("--format", "onnx", "--output", "model.bin"), "needs a name that ends in .onnx"),
        (("--format", "onnx", "--output", "file/model.onnx"), "can't be written"),
    ],
)
def test_what_can_not_be_exported_says_so(arguments: tuple[str, ...], said: str, trained: Trained, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    answer = unikeras("export", trained("native-torch"), *arguments, cwd=tmp_path)
    assert answer.code == 2, answer
    assert said in answer.err
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_missing_runtime_names_the_extra_before_any_work(trained: Trained) -> None:
    run = trained("native-torch")
    answer = python(
        f"import sys; sys.modules['onnxruntime'] = None; sys.argv = ['unikeras', 'export', {str(run)!r}, '--format', 'onnx']; "
        "from unikeras.cli import main; main()"
    )
    assert answer.code == 2, answer
    assert "Exporting as onnx needs onnxruntime, which is not installed here." in answer.err
    assert formats.EXTRA in answer.err


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        ("no sidecar", "has no sidecar: model.onnx.json is missing beside it"),
        ("no file", "There is no exported file"),
        ("changed", "is not the file that model.onnx.json describes"),
        ("text", "is no sidecar: it is no JSON"),
        ("other JSON", "is no sidecar: sidecar is missing"),
        ("newer", "A newer unikeras wrote"),
        ("image size", "has samples of shape 9×8×3"),
        ("backend", "Leave out --backend"),
    ],
)
def test_a_file_that_can_not_predict_says_why(harm: str, said: str, exported: Any, images: Path, tmp_path: Path) -> None:
    answer = exported("tensorflow", "onnx")
    file, beside = (Path(shutil.copy(answer[key], tmp_path)) for key in ("file", "sidecar"))
    if harm in ("no sidecar", "no file"):
        (beside if harm == "no sidecar" else file).unlink()
    elif harm == "changed":
        file.write_bytes(file.read_bytes() + b"\0")
    elif harm in ("text", "other JSON"):
        beside.write_text("letter" if harm == "text" else "{}")
    elif harm == "newer":
        beside.write_text(json.dumps({"sidecar": sidecar.VERSION + 1}))
    elif harm == "image size":
        np.save(images, np.zeros((2, 9, 8, 3), np.uint8))
    options = ("--backend", "torch") if harm == "backend" else ()
    predicted = unikeras("predict", file, images, *options)
    assert predicted.code == 2, predicted
    assert said in predicted.err
    assert "Traceback" not in predicted.err
