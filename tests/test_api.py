"""The Python API: what it exports, and that it works as the command line does."""

from __future__ import annotations

import inspect
from pathlib import Path

import numpy as np
import pytest
from support import python

import unikeras as uk
from unikeras.settings import FIELDS

DATA = {"model": "mlp", "dataset": "random:8x8x3:3:40", "epochs": 1}


def test_exported_names() -> None:
    assert uk.__all__ == [
        "BackendError",
        "CheckResult",
        "DataError",
        "ExportedFileError",
        "ExportError",
        "ModelError",
        "Run",
        "RunError",
        "SettingsError",
        "TuneResult",
        "UnikerasError",
        "WorkerError",
        "check",
        "compare",
        "evaluate",
        "export",
        "load_run",
        "predict",
        "report",
        "resume",
        "train",
        "tune",
    ]
    for name in uk.__all__:
        assert getattr(uk, name).__doc__, name


def test_importing_it_imports_nothing_heavy() -> None:
    answer = python("import sys, unikeras; print({'numpy', 'rich', 'click', 'pydantic', 'keras'} & set(sys.modules))")
    assert answer.out == "set()\n", answer


@pytest.mark.one_backend
def test_train_evaluate_predict_and_load(backend: str, tmp_path: Path) -> None:
    run = uk.train(backend=backend, output=tmp_path / "run", quiet=True, **DATA)
    assert isinstance(run, uk.Run)
    assert run.path == tmp_path / "run"
    assert run.metrics[-1]["kind"] == "epoch"
    assert run.weights()["dense1/kernel"].shape == (192, 64)
    assert uk.evaluate(run)["test_accuracy"] == run.result["test_accuracy"]
    images = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
    predictions = uk.predict(tmp_path / "run", images, top=3)
    assert len(predictions) == 2
    assert sum(entry["probability"] for entry in predictions[0]["classes"]) == pytest.approx(1)
    assert uk.load_run(tmp_path / "run").result == run.result


def test_several_backends_give_a_list(tmp_path: Path) -> None:
    runs = uk.train(backend=["native-torch"], output=tmp_path / "one", quiet=True, **DATA)
    assert isinstance(runs, uk.Run)
    runs = uk.train(backend=["native-torch", "native-tensorflow"], output=tmp_path / "two", quiet=True, **DATA)
    assert isinstance(runs, list)
    assert [run.result["backend"] for run in runs] == ["native-torch", "native-tensorflow"]


def test_mistakes_are_exceptions_of_one_tree(tmp_path: Path) -> None:
    with pytest.raises(uk.SettingsError, match="epochs= can't be 0"):
        uk.train(epochs=0)
    with pytest.raises(uk.SettingsError, match="Did you mean epochs"):
        uk.train(epoch=1)
    with pytest.raises(uk.BackendError):
        uk.train(backend="troch")
    with pytest.raises(uk.RunError):
        uk.evaluate(tmp_path)
    assert issubclass(uk.RunError, uk.UnikerasError)


def test_the_signature_shows_every_setting() -> None:
    assert set(FIELDS) <= set(inspect.signature(uk.train).parameters)
