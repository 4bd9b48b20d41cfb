"""A file system that really fills up, or is read-only: a clear error, and nothing that was saved is lost."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import MODEL_FILES, unikeras
from trainings import TrainingsOn, outcome

from unikeras import run

# A checkpoint takes about 20 kB, and 400 rows of metrics.jsonl 60 kB: the disk fills up in the middle.
SIZE = "150k"
OPTIONS: dict[str, Any] = {
    "model": MODEL_FILES / "dropout.py", "dataset": "random:8x8x1:3:64", "batch_size": 8, "epochs": 50, "log_every": 1,
    "checkpoint_every": "3steps",
}  # fmt: skip


def mount(*arguments: object) -> None:
    done = subprocess.run(["mount", *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"mounting is not permitted here: {done.stderr.strip()}")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small file system of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if shutil.which("mount") is None:
        pytest.skip("there is no mount here")
    mount("-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", folder)
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_disk_that_fills_up_ends_the_training_and_loses_nothing(disk: Path, trainings_on: TrainingsOn, tmp_path: Path) -> None:
    trainings = trainings_on("native-torch")
    trainings.finish(tmp_path / "unbroken", trainings.settings(**OPTIONS))
    words = [str(part) for name, value in OPTIONS.items() for part in (f"--{name.replace('_', '-')}", value)]
    answer = unikeras("train", "--backend", "native-torch", *words, "--output", disk / "run")
    assert answer.code == 1, answer
    assert f"The run in {disk / 'run'} can't be written: No space left on device." in answer.err, answer
    assert f"`unikeras resume {disk / 'run'}` goes on from its last checkpoint" in answer.err
    assert "Traceback" not in answer.err
    newest = run.checkpoint_step(run.checkpoint_paths(disk / "run" / run.CHECKPOINTS)[0])
    assert 0 < newest < 400, "the disk was to fill up on the way"

    still_full = unikeras("resume", disk / "run")
    assert still_full.code in (1, 2), still_full
    assert "can't be written: No space left on device" in still_full.err, still_full
    assert "Traceback" not in still_full.err

    copied = Path(shutil.copytree(disk / "run", tmp_path / "elsewhere"))
    trainings.finish(copied, trainings.settings(**OPTIONS))
    assert outcome(copied) == outcome(tmp_path / "unbroken")

    mount("-o", "remount,size=4m", disk)
    resumed = unikeras("resume", disk / "run")
    assert resumed.code == 0, resumed
    assert "checksum ok" in resumed.out
    assert outcome(disk / "run") == outcome(tmp_path / "unbroken")

    mount("-o", "remount,ro", disk)
    refused = unikeras("resume", disk / "run", "--epochs", 60)
    assert refused.code == 2, refused
    assert "can't be written: Read-only file system" in refused.err
    assert unikeras("runs", disk).out.count("finished") == 1
    assert unikeras("evaluate", disk / "run", "--json").json["test_loss"] == run.load_run(disk / "run").result["test_loss"]


def test_a_folder_of_data_on_a_full_disk_is_refused(disk: Path, tmp_path: Path) -> None:
    answer = unikeras("data", "prepare", "random:64x64x3:3:100", "--cache-dir", disk / "cache", "--json")
    assert answer.code == 2, answer
    assert "Can't write the prepared data into" in answer.err
    assert "No space left on device" in answer.err
    assert list((disk / "cache").glob("**/*.npy")) == []
