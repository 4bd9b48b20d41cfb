"""Going on with a run: the same bits on the same backend, the same state on another, and nothing ignored in silence."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import MODEL_FILES, unikeras
from trainings import Trainings, TrainingsOn, outcome

import unikeras as uk
from unikeras import checkpoint, run
from unikeras.checkpoint import Checkpoint
from unikeras.events import Notice, Resumed

# Stopped in the middle of an epoch, of a row and between two checkpoints: 8 steps an epoch, the last checkpoint after step 12.
OPTIONS: dict[str, Any] = {
    "model": MODEL_FILES / "dropout.py",
    "dataset": "random:8x8x1:3:64",
    "batch_size": 8,
    "epochs": 4,
    "schedule": "constant",
    "augment": "flip+shift",
    "checkpoint_every": "3steps",
    "log_every": 5,
}
KILL = "kill:step:14"


def newest(folder: Path) -> Checkpoint:
    found, _ = checkpoint.find(folder / run.CHECKPOINTS, lambda _: None)
    assert found is not None
    return found


@pytest.fixture(scope="session")
def interrupted(trainings_on: TrainingsOn, backend_names: list[str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """For each backend a run that was killed after step 14."""
    folder = tmp_path_factory.mktemp("interrupted")
    for name in backend_names:
        trainings = trainings_on(name)
        run.make_folder(folder / name)
        settings = trainings.settings(**OPTIONS)
        run.write_config(folder / name / run.CONFIG, settings)
        assert trainings.train(folder / name, settings, KILL).status == -9
    return {name: folder / name for name in backend_names}


@pytest.fixture(scope="session")
def unbroken(trainings_on: TrainingsOn, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """On native torch, the run that was not killed."""
    trainings = trainings_on("native-torch")
    folder = tmp_path_factory.mktemp("unbroken") / "run"
    trainings.finish(folder, trainings.settings(**OPTIONS))
    return folder


@pytest.fixture
def copy(interrupted: dict[str, Path], tmp_path: Path) -> Path:
    """A killed run of native torch, to be spoilt."""
    return Path(shutil.copytree(interrupted["native-torch"], tmp_path / "run"))


def test_every_backend_takes_over_from_every_other_to_the_bit(
    trainings: Trainings, interrupted: dict[str, Path], tmp_path: Path
) -> None:
    """What the first step after the hand-over starts from: weights, slots, number of updates, batch and learning rate."""
    batches = []
    for origin, folder in interrupted.items():
        copied = Path(shutil.copytree(folder, tmp_path / origin))
        trainings.train(copied, trainings.settings(**OPTIONS), look=tmp_path / f"{origin}.npz")
        with np.load(tmp_path / f"{origin}.npz", allow_pickle=False) as arrays:
            found = dict(arrays)
        expected = newest(folder)
        assert expected.state["step"] == 12
        sent = {f"weights:{name}": array for name, array in expected.weights.items()}
        sent |= {f"slots:{name}": array for name, array in expected.slots.items()}
        assert len(sent) > 10
        for name, array in sent.items():
            assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape), f"{origin} {name}"
            assert found[name].tobytes() == array.tobytes(), f"{origin} {name}"
        batches.append(tuple(found[name].tobytes() for name in ("inputs", "labels", "learning_rate")))
        history = run.Run(copied).provenance["history"]
        assert [(entry["backend"], entry["from_step"]) for entry in history] == [(origin, 0), (trainings.backend, 12)]
    assert len(set(batches)) == 1, "the next batch and rate are the same wherever the run comes from"


def test_masks_of_plain_dropout_go_on_to_the_bit(trainings: Trainings, tmp_path: Path) -> None:
    """Of Dropout without a seed of its own, which Keras on torch runs in a graph, traced anew after the resume."""
    settings = trainings.settings(**{**OPTIONS, "model": "probe", "dataset": "random:16x16x1:3:64"})
    trainings.finish(tmp_path / "unbroken", settings)
    assert trainings.train(tmp_path / "killed", settings, KILL).status == -9
    trainings.finish(tmp_path / "killed", settings)
    assert outcome(tmp_path / "killed") == outcome(tmp_path / "unbroken")


def test_the_next_batch_is_that_of_an_unbroken_run(trainings_on: TrainingsOn, copy: Path, tmp_path: Path) -> None:
    """Batch 13 = batch 4 (from 0) of epoch 2, by the dataset itself; augmented as nothing else is in this test."""
    from unikeras.data.augment import Augmenter
    from unikeras.data.dataset import Dataset
    from unikeras.data.order import epoch_order

    trainings = trainings_on("native-torch")
    settings = trainings.settings(**OPTIONS)
    trainings.train(copy, settings, look=tmp_path / "first.npz")
    from unikeras import commands
    from unikeras.progress import make_display

    train = Dataset.open(commands.prepare(commands.request_of(settings), make_display(quiet=True, json=False))).train
    indices = epoch_order(0, 2, 64)[4 * 8 : 5 * 8]
    augment = Augmenter("flip+shift", 0, 64, (8, 8, 1))
    augment.start_epoch(2)
    with np.load(tmp_path / "first.npz", allow_pickle=False) as first:
        np.testing.assert_array_equal(first["inputs"], augment(train.x[indices], indices))
        np.testing.assert_array_equal(first["labels"], train.y[indices])


def test_a_run_goes_on_by_command_on_another_backend(
    interrupted: dict[str, Path], tmp_path: Path, backend_names: list[str]
) -> None:
    origin = "native-tensorflow" if "native-tensorflow" in backend_names else backend_names[0]
    folder = Path(shutil.copytree(interrupted[origin], tmp_path / "run"))
    answer = unikeras("resume", folder, "--backend", "native-torch", "--threads", 2)
    assert answer.code == 0, answer
    assert "native-torch: resumed at epoch 2, step 12, checksum ok" in answer.out
    assert f"changed: --backend {origin} → native-torch" in answer.out
    assert "changed: --threads 1 → 2" in answer.out
    finished = uk.load_run(folder)
    assert finished.settings.backend == "native-torch"
    assert [row["epoch"] for row in finished.metrics if row["kind"] == "epoch"] == [1, 2, 3, 4]
    assert [row["step"] for row in finished.metrics if row["kind"] == "step"] == [5, 8, 10, 15, 16, 20, 24, 25, 30, 32]
    assert finished.result["steps"] == 32
    assert uk.evaluate(finished)["test_loss"] == finished.result["test_loss"]


def test_the_same_command_goes_on_and_a_finished_run_says_its_result(copy: Path, unbroken: Path) -> None:
    options = [part for name, value in OPTIONS.items() for part in (f"--{name.replace('_', '-')}", value)]
    command = ("train", "--backend", "native-torch", *options, "--output", copy)
    first = unikeras(*command)
    assert first.code == 0, first
    assert "native-torch: resumed at epoch 2, step 12, checksum ok" in first.out
    assert outcome(copy) == outcome(unbroken)
    again = unikeras(*command, "--json")
    assert again.code == 0, again
    assert "is finished; there is nothing to do" in again.err
    assert again.json["runs"][0]["test_loss"] == uk.load_run(unbroken).result["test_loss"]


def test_more_epochs_make_the_run_of_more_epochs(trainings_on: TrainingsOn, unbroken: Path, tmp_path: Path) -> None:
    trainings = trainings_on("native-torch")
    short = Path(shutil.copytree(unbroken, tmp_path / "short"))
    trainings.finish(tmp_path / "long", trainings.settings(**{**OPTIONS, "epochs": 6}))
    extended = uk.resume(short, epochs=6, quiet=True)
    assert outcome(short) == outcome(tmp_path / "long")
    assert extended.result["epochs"] == 6
    assert [entry["epochs"] for entry in extended.provenance["history"]] == [4, 6]


def test_what_belongs_to_the_training_can_not_change(copy: Path) -> None:
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file() and path.name != ".lock"}
    refusals = {
        "batch_size": (16, "--batch-size 8, not 16"),
        "optimizer": ("sgd", "--optimizer adam, not sgd"),
        "seed": (1, "--seed 0, not 1"),
        "dataset": ("random:8x8x1:3:65", "--dataset random:8x8x1:3:64, not random:8x8x1:3:65"),
        "model": ("mlp", "not mlp"),
        "learning_rate": (0.5, "not 0.5"),
        "epochs": (3, "is to have 4 epochs, and --epochs is 3"),
    }
    for name, (value, words) in refusals.items():
        with pytest.raises(uk.SettingsError) as caught:
            uk.resume(copy, quiet=True, **{name: value})
        assert words in caught.value.message
        assert caught.value.exit_code == 2
    with pytest.raises(uk.BackendError, match="One backend is needed"):
        uk.resume(copy, backend="torch,native-torch", quiet=True)
    assert {path: path.read_bytes() for path in copy.rglob("*") if path.is_file() and path.name != ".lock"} == before


def test_a_falling_rate_says_what_more_epochs_do_to_it(tmp_path: Path) -> None:
    options = ("--model", "mlp", "--dataset", "random:8x8x1:3:64", "--schedule", "cosine", "--learning-rate", 0.1)
    assert unikeras("train", "--backend", "native-torch", *options, "--epochs", 2, "--output", tmp_path / "run").code == 0
    answer = unikeras("resume", tmp_path / "run", "--epochs", 4)
    assert answer.code == 0, answer
    said = " ".join(answer.out.split())
    assert "the cosine schedule spans 4 epochs from here on: after epoch 2 the learning rate is 0.05, where" in said
    assert [row["epoch"] for row in uk.load_run(tmp_path / "run").metrics if row["kind"] == "epoch"] == [1, 2, 3, 4]


def test_a_damaged_checkpoint_is_named_and_the_one_before_gives_the_same_bits(copy: Path, unbroken: Path) -> None:
    (copy / "checkpoints" / "step-00000012" / "optimizer.safetensors").write_bytes(b"")
    answer = unikeras("resume", copy)
    assert answer.code == 0, answer
    said = " ".join(answer.out.split())
    assert "damaged checkpoint passed over: step-00000012: optimizer.safetensors has 0 bytes instead of" in said
    assert "resumed at epoch 2, step 9, checksum ok" in said
    assert outcome(copy) == outcome(unbroken)


def test_rows_that_are_gone_or_changed_make_a_checkpoint_useless(trainings_on: TrainingsOn, copy: Path, unbroken: Path) -> None:
    trainings = trainings_on("native-torch")
    metrics = copy / run.METRICS
    intact = metrics.read_bytes()
    metrics.write_bytes(intact.replace(b'"step": 10,', b'"step": 11,'))
    ended = trainings.train(copy, trainings.settings(**OPTIONS), fault="kill:resume.ready:1")
    assert ended.status == -9
    assert run.Run(copy).provenance["history"][-1]["from_step"] == 9, "the row of step 10 is not among those of step 9"
    metrics.write_bytes(b"")
    ended = trainings.train(copy, trainings.settings(**OPTIONS))
    assert ended.error is not None
    assert "No checkpoint" in ended.error.message
    assert ended.error.exit_code == 2
    metrics.write_bytes(intact)
    trainings.finish(copy, trainings.settings(**OPTIONS))
    assert outcome(copy) == outcome(unbroken)


def test_a_run_without_a_checkpoint_starts_again_and_says_so(trainings_on: TrainingsOn, tmp_path: Path, unbroken: Path) -> None:
    trainings = trainings_on("native-torch")
    settings = trainings.settings(**OPTIONS)
    assert trainings.train(tmp_path / "run", settings, "kill:checkpoint.begin:1").status == -9
    ended = trainings.finish(tmp_path / "run", settings)
    assert any("starts from its beginning" in event.text for event in ended.events if isinstance(event, Notice))
    assert not any(isinstance(event, Resumed) for event in ended.events)
    assert outcome(tmp_path / "run") == outcome(unbroken)


def test_another_model_is_an_error_and_no_fresh_start(trainings_on: TrainingsOn, tmp_path: Path) -> None:
    """By its file's hash, and where the file only imports what has changed, by the shapes in the checkpoint."""
    trainings = trainings_on("native-torch")
    changes = {"import random": "import random\nfrom width import net_width", "4, 3,": "net_width, 3,"}
    changes |= {"BatchNorm2d(4)": "BatchNorm2d(net_width)", "* 4, num_classes": "* net_width, num_classes"}
    for path in MODEL_FILES.glob("dropout*.py"):
        text = path.read_text()
        for old, new in changes.items():
            text = text.replace(old, new) if path.stem == "dropout_torch" else text
        (tmp_path / path.name).write_text(text)
    (tmp_path / "width.py").write_text("net_width = 4\n")
    settings = trainings.settings(**{**OPTIONS, "model": tmp_path / "dropout.py"})
    folder = tmp_path / "run"
    assert trainings.train(folder, settings, KILL).status == -9
    before = sorted(path.name for path in (folder / "checkpoints").iterdir())

    (tmp_path / "dropout_torch.py").write_text((tmp_path / "dropout_torch.py").read_text() + "\n")
    ended = trainings.train(folder, settings)
    assert ended.error is not None
    assert "The model file of native-torch has been changed" in ended.error.message
    (tmp_path / "dropout_torch.py").write_text((tmp_path / "dropout_torch.py").read_text()[:-1])
    (tmp_path / "dropout.py").write_text((tmp_path / "dropout.py").read_text() + "\n")
    ended = trainings.train(folder, settings)
    assert ended.error is not None
    assert "The model file has been changed" in ended.error.message
    (tmp_path / "dropout.py").write_text((tmp_path / "dropout.py").read_text()[:-1])

    shutil.rmtree(tmp_path / "__pycache__", ignore_errors=True)
    (tmp_path / "width.py").write_text("net_width = 5\n")
    ended = trainings.train(folder, settings)
    assert ended.error is not None
    assert ended.error.exit_code == 2
    assert "The checkpoint after step 12 is of another model. The weights do not fit" in ended.error.message
    assert "conv/bias is 4, expected 5" in ended.error.message
    assert sorted(path.name for path in (folder / "checkpoints").iterdir()) == before


def test_another_dataset_under_the_same_name_is_refused(trainings_on: TrainingsOn, tmp_path: Path) -> None:
    trainings = trainings_on("native-torch")
    rng = np.random.default_rng(0)
    arrays = {"x_train": rng.random((64, 8, 8, 1)), "y_train": np.arange(64) % 3, "x_test": rng.random((9, 8, 8, 1))}
    np.savez(tmp_path / "data.npz", **arrays, y_test=np.arange(9) % 3)
    settings = trainings.settings(**{**OPTIONS, "dataset": tmp_path / "data.npz"})
    assert trainings.train(tmp_path / "run", settings, KILL).status == -9
    arrays["x_train"][0, 0, 0, 0] = 0.5
    np.savez(tmp_path / "data.npz", **arrays, y_test=np.arange(9) % 3)
    ended = trainings.train(tmp_path / "run", settings)
    assert ended.error is not None
    assert "The dataset is not the one that the run was started with" in ended.error.message
    assert ended.error.exit_code == 2


def test_early_stopping_is_carried_over(trainings_on: TrainingsOn, tmp_path: Path) -> None:
    trainings = trainings_on("native-torch")
    settings = trainings.settings(**{**OPTIONS, "epochs": 100, "early_stopping": 2, "learning_rate": 0.1})
    trainings.finish(tmp_path / "unbroken", settings)
    epochs = uk.load_run(tmp_path / "unbroken").result["epochs"]
    assert 3 <= epochs < 100
    for _ in range((epochs - 1) // 2):
        assert trainings.train(tmp_path / "killed", settings, "kill:evaluated:2").status == -9
    trainings.finish(tmp_path / "killed", settings)
    assert outcome(tmp_path / "killed") == outcome(tmp_path / "unbroken")
    run.write_config(tmp_path / "killed" / run.CONFIG, settings)
    assert uk.resume(tmp_path / "killed", epochs=200, quiet=True).result["epochs"] == epochs, (
        "more epochs would have changed nothing"
    )


def test_randomness_that_can_not_be_kept_is_named(trainings_on: TrainingsOn, tmp_path: Path) -> None:
    for path in MODEL_FILES.glob("dropout*.py"):
        (tmp_path / path.name).write_text(path.read_text().replace("x = dropout(x, training)", "x = tf.nn.dropout(x, 0.5)"))
    trainings = trainings_on("native-tensorflow")
    ended = trainings.finish(tmp_path / "run", trainings.settings(**{**OPTIONS, "model": tmp_path / "dropout.py"}))
    assert [event.text for event in ended.events if isinstance(event, Notice)] == [
        "the model draws random numbers by RandomUniform, which no checkpoint can hold: resumed, it draws others"
    ]


def test_runs_are_listed_with_their_states(interrupted: dict[str, Path], unbroken: Path, tmp_path: Path) -> None:
    folder = tmp_path / ("a-folder-whose-path-is-longer-than-a-line-" * 2) / "runs"
    shutil.copytree(unbroken, folder / "finished")
    shutil.copytree(interrupted["native-torch"], folder / "group" / "resumable")
    shutil.copytree(interrupted["native-torch"], folder / "crashed")
    shutil.rmtree(folder / "crashed" / "checkpoints")
    run.write_config(folder / "finished" / run.CONFIG, run.Run(folder / "crashed").settings)
    rows = {Path(row["run"]).name: row for row in unikeras("runs", folder, "--json").json["runs"]}
    assert {name: row["state"] for name, row in rows.items()} == {
        "finished": "finished",
        "resumable": "resumable",
        "crashed": "crashed",
    }
    assert (rows["resumable"]["checkpoint"], rows["resumable"]["step"], rows["resumable"]["epochs"]) == (12, 10, 4)
    assert rows["crashed"]["checkpoint"] is None
    words = unikeras("runs", folder, COLUMNS="80").out
    assert all(word in words for word in ("finished", "resumable", "crashed", "2/4", "step 12", "none"))
    first_column = "".join(line.split(" ")[0] for line in words.splitlines())
    assert str(folder / "group" / "resumable") in first_column, "a long path is folded, not cut"
    usual = tmp_path / "runs" / "2026-11-29_220632-cnn-digits-torch"  # a little shorter than half a line
    shutil.copytree(interrupted["native-torch"], usual)
    listed = unikeras("runs", "runs", COLUMNS="80", cwd=tmp_path).out
    assert all(word in listed for word in ("resumable", "native-torch", "2/4", "step 12", "never"))
    (tmp_path / "empty").mkdir()
    assert "no runs in" in unikeras("runs", tmp_path / "empty").out
