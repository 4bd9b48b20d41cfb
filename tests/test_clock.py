"""A clock that jumps, as it does when a machine finds the time of the network: nothing but displayed dates depends on it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from support import MODEL_FILES
from trainings import TrainingsOn

from unikeras import run, run_list, run_lock
from unikeras.settings import Settings

OPTIONS = {"dataset": "random:8x8x1:3:64", "batch_size": 8, "epochs": 3, "log_every": 2, "checkpoint_every": "1s"}

JUMPING = """
import time

real = time.time
jumps = iter(range(10**9))


def jumping():
    return real() + (1e9 if next(jumps) % 2 else -1e9)


time.time = jumping
"""


def test_a_training_under_a_jumping_clock_is_the_one_under_a_steady_clock(trainings_on: TrainingsOn, tmp_path: Path) -> None:
    trainings = trainings_on("native-torch")
    for name, start in (("steady", ""), ("jumping", JUMPING)):
        (tmp_path / name).mkdir()
        for path in MODEL_FILES.glob("dropout*.py"):
            (tmp_path / name / path.name).write_text(start + path.read_text())
        settings = trainings.settings(model=tmp_path / name / "dropout.py", **OPTIONS)
        trainings.finish(tmp_path / f"{name}-run", settings)
    steady, jumping = (tmp_path / f"{name}-run" for name in ("steady", "jumping"))
    assert (jumping / run.WEIGHTS).read_bytes() == (steady / run.WEIGHTS).read_bytes()
    result = json.loads((jumping / run.RESULT).read_text())
    assert 0 < result["startup_seconds"] < 1000
    assert all(0 <= row[key] < 1000 for row in run.Run(jumping).metrics for key in row if key.endswith("_seconds"))


@pytest.mark.parametrize("seconds", [1e9, -1e9], ids=["future", "past"])
def test_the_state_of_a_run_depends_on_its_lock_and_on_no_time(seconds: float, tmp_path: Path) -> None:
    run.write_config(tmp_path / run.CONFIG, Settings())

    def row() -> dict[str, object]:
        now = (tmp_path / run.LOCK).stat().st_mtime
        os.utime(tmp_path / run.LOCK, (now + seconds, now + seconds))
        (found,) = run_list.list_runs(tmp_path)
        return found

    with run_lock.hold(tmp_path):
        assert row()["state"] == "running"
    silent = row()["silent_seconds"]
    assert isinstance(silent, float)
    assert silent >= 0
    assert row()["state"] == "crashed"


def test_a_second_run_at_the_same_time_of_the_clock_gets_a_folder_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As two commands started at once, or an hour that a clock repeats when summer ends."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run, "_now", lambda: "2026-10-25_023000")
    names = []
    for _ in range(3):
        folder = run.new_folder_name(Settings(), "torch")
        folder.mkdir(parents=True)
        names.append(folder.name)
    assert names == [f"2026-10-25_023000-cnn-digits-torch{suffix}" for suffix in ("", "-2", "-3")]
