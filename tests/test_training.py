"""The main job: one command trains the same model on every backend, and its run folder serves every other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from support import unikeras

import unikeras as uk
from unikeras import commands, training
from unikeras.backends import BACKENDS
from unikeras.progress import make_display
from unikeras.settings import FIELDS

Runs = dict[str, dict[str, Any]]

RESULT_KEYS = {
    "backend",
    "run",
    "epochs",
    "steps",
    "train_loss",
    "test_loss",
    "test_accuracy",
    "images_per_second",
    "train_seconds",
    "startup_seconds",
    "peak_memory_mb",
    "weights_sha256",
}


def test_digits_are_learned(backend: str, digits_runs: Runs) -> None:
    assert digits_runs[backend]["test_accuracy"] >= 0.97


@pytest.mark.long
def test_the_command_without_options_learns_digits(backend: str, tmp_path: Path) -> None:
    answer = unikeras("train", "--backend", backend, "--output", tmp_path / "run", "--json")
    assert answer.code == 0, answer
    assert answer.json["runs"][0]["test_accuracy"] >= 0.97


def test_the_json_result_has_every_figure(backend: str, digits_runs: Runs) -> None:
    result = digits_runs[backend]
    assert result.keys() == RESULT_KEYS
    assert (result["epochs"], result["steps"]) == (20, 20 * 23)
    assert result["images_per_second"] > 0
    assert result["peak_memory_mb"] > 100
    assert result["startup_seconds"] > 0


def test_the_first_epoch_agrees_across_backends(digits_runs: Runs) -> None:
    """Float32 trajectories part later, but an epoch of 23 steps from equal weights and batches has to stay together."""
    losses = [uk.load_run(result["run"]).metrics[1]["train_loss"] for result in digits_runs.values()]
    assert max(losses) / min(losses) < 1.005


def test_the_run_folder_is_complete(backend: str, digits_runs: Runs) -> None:
    folder = Path(digits_runs[backend]["run"])
    expected = {"config.yaml", "run.json", "metrics.jsonl", "weights.safetensors", "result.json", "worker.log"}
    expected |= {"checkpoints", ".lock"}
    if BACKENDS[backend].uses_keras:
        expected.add("model.keras")
    assert {path.name for path in folder.iterdir()} == expected
    provenance = json.loads((folder / "run.json").read_text())
    assert provenance["versions"]["keras"]
    assert {"cpu", "device", "data_hash", "seed", "git_commit", "initial_weights"} <= provenance.keys()


def test_a_training_leaves_no_temporary_file(digits_runs: Runs, temporary_files: Path) -> None:
    """TensorFlow writes the source of its graphs into files; the worker's folder for them goes with it."""
    assert digits_runs
    assert [path for path in temporary_files.rglob("*") if path.is_file()] == []


def test_metrics_have_each_step_and_epoch_once(backend: str, digits_runs: Runs) -> None:
    rows = uk.load_run(digits_runs[backend]["run"]).metrics
    epochs = [row["epoch"] for row in rows if row["kind"] == "epoch"]
    steps = [row["step"] for row in rows if row["kind"] == "step"]
    assert epochs == list(range(1, 21))
    # Every 50 steps, and the end of every epoch of 23 steps.
    assert steps == sorted({*range(50, 461, 50), *range(23, 461, 23)})
    assert rows[-1]["test_accuracy"] == digits_runs[backend]["test_accuracy"]


def test_the_configuration_repeats_the_run(backend: str, digits_runs: Runs, tmp_path: Path) -> None:
    run = uk.load_run(digits_runs[backend]["run"])
    config = yaml.safe_load((run.path / "config.yaml").read_text())
    assert set(config) == set(FIELDS) - {"output"}
    assert (config["backend"], config["epochs"], config["learning_rate"]) == (backend, 20, 3e-3)


@pytest.mark.one_backend
def test_the_configuration_gives_the_same_bits_again(backend: str, tmp_path: Path) -> None:
    options = ("--model", "mlp", "--dataset", "random:8x8x1:3:200", "--augment", "flip+shift", "--batch-size", "32")
    first = unikeras("train", "--backend", backend, *options, "--epochs", 2, "--output", tmp_path / "a", "--quiet", "--json")
    second = unikeras("train", "--config", tmp_path / "a" / "config.yaml", "--output", tmp_path / "b", "--quiet", "--json")
    assert (first.code, second.code) == (0, 0), second
    weights = [uk.load_run(tmp_path / name).weights() for name in "ab"]
    for name, array in weights[0].items():
        np.testing.assert_array_equal(array, weights[1][name])


def test_a_run_evaluates_on_any_backend_with_the_same_accuracy(
    backend: str, digits_runs: Runs, probe: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Runs of all backends, evaluated and asked for predictions in one process of this backend."""
    folders = {name: result["run"] for name, result in digits_runs.items()}
    request = commands.request_of(uk.load_run(folders[backend]).settings)
    dataset = commands.prepare(request, make_display(quiet=True, json=True))
    answers = probe("evaluate_runs", backend, runs=folders, dataset=str(dataset))
    for name, result in digits_runs.items():
        assert answers[f"{name}:accuracy"] == result["test_accuracy"], name
        assert answers[f"{name}:loss"] == pytest.approx(result["test_loss"], rel=1e-4)
        assert answers[f"{name}:prediction"] == answers[f"{backend}:prediction"]


def test_weights_are_canonical_everywhere(digits_runs: Runs) -> None:
    shapes = [
        {name: array.shape for name, array in uk.load_run(result["run"]).weights().items()} for result in digits_runs.values()
    ]
    assert all(other == shapes[0] for other in shapes)
    assert shapes[0]["conv1/kernel"] == (3, 3, 1, 32)
    assert shapes[0]["dense2/kernel"] == (64, 10)


@pytest.mark.parametrize(("batch_size", "at_once"), [(1, 4), (64, 256), (100, 256), (256, 256), (300, 300)])
def test_an_evaluation_needs_no_more_memory_than_training(batch_size: int, at_once: int) -> None:
    assert training.evaluation_batch_size(batch_size) == at_once


@pytest.mark.one_backend
@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "float64"])
def test_every_arithmetic_trains(backend: str, dtype: str, tmp_path: Path) -> None:
    options = ("--model", "resnet8", "--dataset", "random:16x16x3:3:96", "--epochs", 1, "--batch-size", 20, "--dtype", dtype)
    answer = unikeras("train", "--backend", backend, *options, "--output", tmp_path / "run", "--json")
    assert answer.code == 0, answer
    weights = uk.load_run(tmp_path / "run").weights()
    assert {array.dtype.name for array in weights.values()} == {"float64" if dtype == "float64" else "float32"}
    assert answer.json["runs"][0]["train_loss"] == pytest.approx(1.5, abs=1.0)


@pytest.mark.one_backend
def test_tabular_noise_trains(backend: str, tmp_path: Path) -> None:
    options = ("--model", "mlp", "--dataset", "random:32:5:1000", "--epochs", 1, "--normalize", "dataset")
    answer = unikeras("train", "--backend", backend, *options, "--output", tmp_path / "run", "--json")
    assert answer.code == 0, answer
    assert answer.json["runs"][0]["steps"] == 16


def test_early_stopping_ends_a_run_that_no_longer_improves(tmp_path: Path) -> None:
    options = ("--model", "mlp", "--dataset", "random:32:5:64", "--epochs", 200, "--early-stopping", 2, "--learning-rate", 0.1)
    answer = unikeras("train", "--backend", "native-torch", *options, "--output", tmp_path / "run", "--json")
    assert answer.code == 0, answer
    losses = [row["test_loss"] for row in uk.load_run(tmp_path / "run").metrics if row["kind"] == "epoch"]
    assert len(losses) < 200
    assert min(losses) == losses[-3], "stopped two epochs after the best one"
