"""What a run predicts for its test images: agrees with its accuracy, is kept, and is made anew where it no longer fits."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from support import unikeras

from unikeras import commands, predictions
from unikeras import run as run_files
from unikeras.progress import Display, make_display
from unikeras.run import Run, load_run

DATA = "random:8x8x3:3:60"


@pytest.fixture
def display() -> Display:
    return make_display(quiet=True, json=False)


@pytest.fixture(scope="module")
def trained(backend: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("predictions") / backend
    answer = unikeras("train", "--backend", backend, "--model", "mlp", "--dataset", DATA, "--epochs", "1", "--output", folder)
    assert answer.code == 0, answer
    return folder


def dataset_of(finished: Run, display: Display) -> Path:
    return commands.prepare(commands.request_of(finished.settings), display)


@pytest.mark.one_backend
def test_they_are_as_accurate_as_the_run(trained: Path, display: Display) -> None:
    finished = load_run(str(trained))
    answer = commands.test_predictions(finished, dataset_of(finished, display), display)
    assert answer.correct.mean() == pytest.approx(finished.result["test_accuracy"], abs=1e-9)
    assert ((answer.confidence >= 1 / 3) & (answer.confidence <= 1)).all()


def test_they_are_computed_once(trained: Path, display: Display) -> None:
    finished = load_run(str(trained))
    dataset = dataset_of(finished, display)
    commands.test_predictions(finished, dataset, display)
    before = (trained / run_files.PREDICTIONS).stat()
    commands.test_predictions(finished, dataset, display)
    assert (trained / run_files.PREDICTIONS).stat().st_ino == before.st_ino


@pytest.mark.parametrize("harm", ["other weights", "cut short"])
def test_what_does_not_fit_is_not_used(trained: Path, tmp_path: Path, display: Display, harm: str) -> None:
    finished = Run(shutil.copytree(trained, tmp_path / "copy"))
    fitting = predictions.of_logits(np.array([0]), np.array([[1.0, 0.0, 0.0]]))
    predictions.save(finished, "data", fitting)
    assert predictions.load(finished, "data") is not None
    path = finished.path / (run_files.WEIGHTS if harm == "other weights" else run_files.PREDICTIONS)
    path.write_bytes(path.read_bytes()[:-1])
    assert predictions.load(finished, "data") is None


def test_confidence_is_the_probability_of_the_predicted_class() -> None:
    answer = predictions.of_logits(np.array([1, 0]), np.array([[0.0, np.log(3.0)], [800.0, 0.0]]))
    assert answer.predicted.tolist() == [1, 0]
    assert answer.confidence.tolist() == pytest.approx([0.75, 1.0])
