"""The command line answers at once, prints what scripts can read, and never shows a traceback for a mistake."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support import python, unikeras

from unikeras.backends import BACKENDS
from unikeras.settings import FIELDS, as_option

COMMANDS = [
    [],
    ["train"],
    ["resume"],
    ["runs"],
    ["evaluate"],
    ["predict"],
    ["export"],
    ["check"],
    ["data"],
    ["data", "list"],
    ["data", "info"],
    ["data", "prepare"],
    ["models"],
    ["models", "list"],
    ["models", "summary"],
    ["bench"],
    ["compare"],
    ["config"],
    ["config", "show"],
    ["doctor"],
    ["init"],
]
HEAVY = "{'keras', 'torch', 'tensorflow', 'jax', 'sklearn'}"


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_imports_no_framework(command: list[str]) -> None:
    """Nor what else would make it slow: NumPy and pydantic."""
    answer = python(
        f"""
import sys
from unikeras.cli import cli
try:
    cli([*{command!r}, "--help"])
except SystemExit as end:
    assert not end.code
found = ({HEAVY} | {{"numpy", "pydantic", "yaml"}}) & set(sys.modules)
sys.exit(f"imported {{found}}" if found else 0)
"""
    )
    assert answer.code == 0, answer
    assert "Usage:" in answer.out


def test_a_whole_training_imports_no_framework_in_the_parent(tmp_path: Path) -> None:
    answer = python(
        f"""
import sys, unikeras
run = unikeras.train(model="mlp", dataset="random:4x4x1:3:20", epochs=1, backend="native-torch", quiet=True)
unikeras.evaluate(run)
found = {HEAVY} & set(sys.modules)
sys.exit(f"imported {{found}}" if found else 0)
""",
        cwd=tmp_path,
    )
    assert answer.code == 0, answer


def test_train_has_an_option_for_every_setting() -> None:
    text = unikeras("train", "--help").out
    assert [name for name in FIELDS if as_option(name) not in text] == []


def test_config_show_says_where_each_value_comes_from(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("epochs: 2\nbatch-size: 8\nseed: 5\n")
    command = ("config", "show", "--config", "c.yaml", "--batch-size", 16)
    environment = {"UNIKERAS_SEED": "7", "UNIKERAS_THREADS": ""}
    settings = unikeras(*command, "--json", cwd=tmp_path, **environment).json["settings"]
    assert list(settings) == list(FIELDS)
    assert settings["epochs"] == {"value": 2, "origin": "file", "source": "epochs in c.yaml"}
    assert settings["seed"] == {"value": 7, "origin": "environment", "source": "UNIKERAS_SEED"}
    assert settings["batch_size"] == {"value": 16, "origin": "option", "source": "--batch-size"}
    assert settings["threads"] == {"value": None, "origin": "default", "source": ""}
    lines = [line.split() for line in unikeras(*command, cwd=tmp_path, **environment).out.splitlines()]
    assert ["epochs", "2", "epochs", "in", "c.yaml"] in lines
    assert ["optimizer", "adam", "default"] in lines


def test_config_show_refuses_what_train_refuses(tmp_path: Path) -> None:
    answer = unikeras("config", "show", "--epochs", 0, "--json")
    assert (answer.code, answer.out) == (2, "")
    assert "--epochs can't be '0'." in answer.err


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli") / "run"
    options = ("--model", "mlp", "--dataset", "random:8x8x3:3:40", "--epochs", 2, "--backend", "native-torch")
    answer = unikeras("train", *options, "--output", folder)
    assert answer.code == 0, answer
    (folder.parent / "printed").write_text(answer.out)
    return folder


def test_without_a_terminal_each_epoch_is_a_line(run: Path) -> None:
    lines = (run.parent / "printed").read_text().splitlines()
    epochs = [line for line in lines if "epoch 1/2" in line or "epoch 2/2" in line]
    assert len(epochs) == 2
    assert all("test accuracy" in line and "images/s" in line for line in epochs)
    assert f"run: {run}" in lines


def test_a_finished_run_is_not_overwritten(run: Path) -> None:
    def contents() -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in run.rglob("*") if path.is_file() and path.name != ".lock"}

    before = contents()
    answer = unikeras(
        "train", "--model", "mlp", "--dataset", "random:8x8x3:3:40", "--seed", 1, "--batch-size", 32, "--output", run
    )
    assert answer.code == 2
    assert f"The run in {run} was started with --batch-size 64, not 32, --seed 0, not 1." in answer.err
    assert f"unikeras resume {run}" in answer.err
    assert contents() == before


def test_a_folder_that_is_no_run_is_not_written_into(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("Dear")
    answer = unikeras("train", "--model", "mlp", "--dataset", "random:8x8x3:3:40", "--output", tmp_path)
    assert answer.code == 2
    assert "holds files already" in answer.err
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_evaluate_answers_in_words_and_in_json(run: Path) -> None:
    words = unikeras("evaluate", run)
    assert (words.code, words.err) == (0, "")
    assert "test accuracy" in words.out
    figures = unikeras("evaluate", run, "--json").json
    assert figures.keys() == {"backend", "run", "test_loss", "test_accuracy"}
    assert figures["test_accuracy"] == json.loads((run / "result.json").read_text())["test_accuracy"]


def test_predict_names_the_classes_of_image_files(run: Path, tmp_path: Path) -> None:
    paths = [tmp_path / "a.png", tmp_path / "grey.jpg"]
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)).save(paths[0])
    Image.fromarray(rng.integers(0, 256, (9, 9), dtype=np.uint8)).save(paths[1])
    answer: dict[str, Any] = unikeras("predict", run, *paths, "--top", 2, "--json").json
    assert [entry["image"] for entry in answer["predictions"]] == [str(path) for path in paths]
    for entry in answer["predictions"]:
        first, second = (ranked["probability"] for ranked in entry["classes"])
        assert 1 >= first >= second >= 0
    words = unikeras("predict", run, paths[0])
    assert words.code == 0
    assert str(paths[0]) in words.out


def test_an_output_that_can_not_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    options = ("--model", "mlp", "--dataset", "random:8x8x3:3:40", "--output", tmp_path / "file" / "run")
    answer = unikeras("train", *options)
    assert answer.code == 2
    assert "can't be written" in answer.err


def test_models_are_listed_and_summarised() -> None:
    names = {row["model"] for row in unikeras("models", "list", "--json").json["models"]}
    assert names == {"cnn", "mlp", "probe", "resnet8", "simple-cnn"}
    summary = unikeras("models", "summary", "cnn", "--json").json
    assert summary["parameters"] == 122570
    assert unikeras("models", "summary", "cnn", "--input-shape", "28x28x1").out.count("Conv2D") == 3


def test_datasets_are_listed_described_and_prepared(tmp_path: Path) -> None:
    assert {row["name"] for row in unikeras("data", "list", "--json").json["datasets"]} >= {"digits", "cifar10", "mnist"}
    prepared = unikeras("data", "prepare", "digits", "--cache-dir", tmp_path, "--json").json
    facts = unikeras("data", "info", "digits", "--cache-dir", tmp_path, "--json").json
    assert facts["folder"] == prepared["folder"]
    assert facts["shape"] == [32, 32, 1]


def test_one_command_trains_all_backends_from_one_start(tmp_path: Path, backend_names: list[str]) -> None:
    options = ("--model", "mlp", "--dataset", "random:8x8x3:3:40", "--epochs", 1, "--output", tmp_path / "runs")
    answer = unikeras("train", "--backend", ",".join(backend_names), *options)
    assert answer.code == 0, answer
    starts = {json.loads((tmp_path / "runs" / name / "run.json").read_text())["initial_weights"] for name in backend_names}
    assert len(starts) == 1
    table = answer.out[answer.out.index("accuracy    loss") :]
    assert all(name in table for name in backend_names)


def test_backend_names_come_from_the_files() -> None:
    assert list(BACKENDS)[:4] == ["tensorflow", "torch", "native-tensorflow", "native-torch"]


def test_version() -> None:
    assert unikeras("--version").out == "unikeras 0.1.0\n"
