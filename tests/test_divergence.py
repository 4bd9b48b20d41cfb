"""A loss that is no number: the step and the batch are named exactly, and each answer to it does what it says."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import MODEL_FILES
from trainings import Ended, Trainings

from unikeras import checkpoint, run, weights
from unikeras.checkpoint import Checkpoint
from unikeras.data.order import epoch_order
from unikeras.events import Notice

MARKED = 11  # the one sample of class 3, of 32
OPTIONS = {
    "batch_size": 8, "epochs": 3, "checkpoint_every": "3steps", "optimizer": "sgd", "learning_rate": 1e-4, "schedule": "constant",
    "log_every": 1,
}  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Samples of four classes; class 3 has one."""
    rng = np.random.default_rng(0)
    labels = np.arange(32) % 3
    labels[MARKED] = 3
    images = rng.random((32, 4, 4, 1), dtype=np.float32)
    path = tmp_path_factory.mktemp("data") / "marked.npz"
    np.savez(path, x_train=images, y_train=labels, x_test=images[:8], y_test=labels[:8])
    return path


def model(folder: Path, mark: str) -> Path:
    """The model whose loss is `mark` for the batch of the marked sample."""
    folder.mkdir()
    for path in MODEL_FILES.glob("marked_loss*.py"):
        (folder / path.name).write_text(path.read_text().replace('float("nan")', mark))
    return folder / "marked_loss.py"


def marked_step(epoch: int) -> int:
    return (epoch - 1) * 4 + epoch_order(0, epoch, 32).tolist().index(MARKED) // 8 + 1


def newest(folder: Path) -> Checkpoint:
    found, _ = checkpoint.find(folder / run.CHECKPOINTS, lambda _: None)
    assert found is not None
    return found


def rows(folder: Path, kind: str) -> list[dict[str, Any]]:
    return [row for row in run.Run(folder).metrics if row["kind"] == kind]


def test_training_stops_at_the_step_and_names_the_batch(trainings: Trainings, data: Path, tmp_path: Path) -> None:
    # Nothing is read at the step, but at the first and the last of the epoch: it has to be found among those between.
    options = {**OPTIONS, "log_every": 1000, "checkpoint_every": "1epoch"}
    settings = trainings.settings(model=model(tmp_path / "m", 'float("inf")'), dataset=data, **options)
    ended: Ended = trainings.train(tmp_path / "run", settings)
    step = marked_step(1)
    assert 1 < step < 4
    batch = epoch_order(0, 1, 32)[(step - 1) * 8 : step * 8].tolist()
    assert ended.error is not None
    assert f"The loss became inf at step {step} (epoch 1, learning rate 0.0001; training samples" in ended.error.message
    assert ", ".join(map(str, batch)) in ended.error.message
    assert "--on-nan skip" in ended.error.cure
    evidence = json.loads((tmp_path / "run" / "divergence.json").read_text())
    assert (evidence["step"], evidence["epoch"], evidence["indices"], evidence["learning_rate"]) == (step, 1, batch, 1e-4)
    assert newest(tmp_path / "run").state["step"] == 0
    assert not (tmp_path / "run" / "result.json").exists()


def test_skipping_is_training_without_the_batch(trainings: Trainings, data: Path, tmp_path: Path) -> None:
    """The reference is a run in which that batch's loss, and so its gradient, is zero: gradient descent doesn't move then."""
    runs = {}
    for name, mark, policy in (("skipping", 'float("nan")', "skip"), ("still", "0.0", "stop")):
        settings = trainings.settings(model=model(tmp_path / f"m-{name}", mark), dataset=data, **OPTIONS, on_nan=policy)
        runs[name] = trainings.train(tmp_path / name, settings, fault="kill:trained:1")
        assert runs[name].status == -9, runs[name]
    expected, found = newest(tmp_path / "still"), newest(tmp_path / "skipping")
    assert weights.digest(found.weights) == weights.digest(expected.weights)
    steps = [marked_step(epoch) for epoch in (1, 2, 3)]
    assert [row["step"] for row in rows(tmp_path / "skipping", "skipped")] == steps
    assert [row["step"] for row in rows(tmp_path / "skipping", "step")] == [n for n in range(1, 13) if n not in steps]
    assert int(found.slots["iterations"]) == 12 - 3
    assert int(expected.slots["iterations"]) == 12


def test_two_bad_batches_in_a_row_are_not_skipped(trainings_on: Any, data: Path, tmp_path: Path) -> None:
    trainings = trainings_on("native-torch")
    options = {**OPTIONS, "learning_rate": 1e30, "on_nan": "skip"}
    ended = trainings.train(tmp_path / "run", trainings.settings(model=model(tmp_path / "m", "1.0"), dataset=data, **options))
    assert ended.error is not None
    assert "it is not the batch" in ended.error.message


def test_rolling_back_halves_the_learning_rate_until_it_is_stable(trainings_on: Any, data: Path, tmp_path: Path) -> None:
    trainings = trainings_on("native-torch")
    options = {**OPTIONS, "learning_rate": 0.8, "epochs": 300, "on_nan": "rollback", "checkpoint_every": "100steps"}
    settings = trainings.settings(model=model(tmp_path / "m", "1.0"), dataset=data, **options)
    ended = trainings.finish(tmp_path / "run", settings)
    notices = [event.text for event in ended.events if isinstance(event, Notice)]
    back = rows(tmp_path / "run", "rollback")
    assert back, "the rate was meant to be too high"
    assert back[-1]["rate_scale"] == 0.5 ** len(notices), "rows of earlier ones are cut off with the steps they led to"
    assert "goes on from step" in notices[0]
    scale = back[-1]["rate_scale"]
    last = rows(tmp_path / "run", "step")[-1]
    assert last["learning_rate"] == pytest.approx(0.8 * scale)
    assert math.isfinite(last["loss"])


def test_rolling_back_ends_where_it_does_not_help(trainings_on: Any, data: Path, tmp_path: Path) -> None:
    trainings = trainings_on("native-torch")
    settings = trainings.settings(model=model(tmp_path / "m", 'float("nan")'), dataset=data, **OPTIONS, on_nan="rollback")
    ended = trainings.train(tmp_path / "run", settings)
    assert ended.error is not None
    assert "halved 5 times already" in ended.error.message
