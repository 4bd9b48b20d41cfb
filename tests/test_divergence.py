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
from unikeras.events import Notice, Rewound

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
    facts = "epoch 1, learning rate 0.0001, gradient norm nan: not finite in dense/kernel, dense/bias; training samples"
    assert f"The loss became inf at step {step} ({facts}" in ended.error.message
    assert ", ".join(map(str, batch)) in ended.error.message
    assert "--on-nan skip" in ended.error.cure
    evidence = json.loads((tmp_path / "run" / "divergence.json").read_text())
    assert (evidence["step"], evidence["epoch"], evidence["indices"], evidence["learning_rate"]) == (step, 1, batch, 1e-4)
    assert (evidence["gradient_norm"], evidence["gradient_not_finite"]) == ("nan", ["dense/kernel", "dense/bias"])
    assert newest(tmp_path / "run").state["step"] == 0
    assert not (tmp_path / "run" / "result.json").exists()


def test_the_gradient_norm_is_that_of_the_batch_and_the_weights_before_the_step(
    trainings: Trainings, data: Path, tmp_path: Path
) -> None:
    """An infinite constant in the loss leaves its gradient finite. The reference is gradient descent in NumPy."""
    files = model(tmp_path / "m", 'float("inf")').parent
    for path in files.iterdir():
        path.write_text(path.read_text().replace("errors *", "errors +").replace("1.0", "0.0"))
    options = {**OPTIONS, "checkpoint_every": "1epoch", "learning_rate": 0.01}
    ended = trainings.train(
        tmp_path / "run", trainings.settings(model=files / "marked_loss.py", dataset=data, normalize="dataset", **options)
    )
    with np.load(data) as arrays:
        inputs, targets = arrays["x_train"].reshape(32, 16).astype(np.float64), np.eye(4)[arrays["y_train"]]
    inputs = (inputs - inputs.mean()) / inputs.std()
    kernel, bias = weights.initial_value(0, "dense/kernel", (16, 4)).astype(np.float64), np.zeros(4)
    for indices in np.split(epoch_order(0, 1, 32), 4)[: marked_step(1)]:
        errors = inputs[indices] @ kernel + bias - targets[indices]
        slopes = 2 / 8 * inputs[indices].T @ errors, 2 / 8 * errors.sum(axis=0)
        kernel, bias = kernel - 0.01 * slopes[0], bias - 0.01 * slopes[1]
    expected = math.sqrt(sum(float((slope**2).sum()) for slope in slopes))
    evidence = json.loads((tmp_path / "run" / "divergence.json").read_text())
    assert evidence["gradient_norm"] == pytest.approx(expected, rel=1e-5)
    assert evidence["gradient_not_finite"] == []
    assert ended.error is not None
    assert f"gradient norm {expected:.4g};" in ended.error.message


# It lets the logits grow, and is infinite, but for its gradient, once one of them has come beyond 60.
GROWING = {
    "": """
def loss(labels, logits):
    grown = keras.ops.any(keras.ops.abs(logits) > 60)
    return -keras.ops.sum(logits**2, axis=-1) + keras.ops.where(grown, float("inf"), 0.0)
""",
    "_torch": """
def loss(labels, logits):
    return -logits.square().sum(dim=-1) + (float("inf") if (logits.abs() > 60).any() else 0.0)
""",
    "_tensorflow": """
def loss(labels, logits):
    return -tf.reduce_sum(logits**2, axis=-1) + tf.where(tf.reduce_any(tf.abs(logits) > 60), float("inf"), 0.0)
""",
}


@pytest.mark.one_backend
def test_the_gradient_is_the_same_however_far_back_the_checkpoint_lies(trainings: Trainings, data: Path, tmp_path: Path) -> None:
    """With dropout and augmentation, over the end of an epoch and its evaluation."""
    for suffix, loss in GROWING.items():
        (tmp_path / f"growing{suffix}.py").write_text((MODEL_FILES / f"dropout{suffix}.py").read_text() + "\n" + loss)
    found = {}
    for every in ("1step", "100epochs"):
        options = {**OPTIONS, "checkpoint_every": every, "learning_rate": 0.01, "augment": "flip+shift", "epochs": 20}
        ended = trainings.train(tmp_path / every, trainings.settings(model=tmp_path / "growing.py", dataset=data, **options))
        assert ended.error is not None
        found[every] = json.loads((tmp_path / every / "divergence.json").read_text())
    assert found["1step"] == found["100epochs"]
    step = found["1step"]["step"]
    assert step > 4
    assert 0 < found["1step"]["gradient_norm"] < math.inf
    notices = [event.text for event in ended.events if isinstance(event, Notice)]
    assert notices == [
        f"The loss became inf at step {step}; its gradient is found by repeating the {step - 1} steps since the last checkpoint"
    ]


@pytest.mark.one_backend
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
    assert sum(isinstance(event, Rewound) for event in ended.events) == len(notices), "whoever reads the rows has to know"
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
