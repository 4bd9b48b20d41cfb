"""Kills stock Keras trainings that use `BackupAndRestore`, and counts how many end as an unbroken training would have.

The counterpart of `scripts/kill_matrix` for what Keras itself offers: SIGKILL at seeded points of a step and of a save, then
the same program again. Two trainings: one that makes it as easy as possible (no shuffling, no dropout: all epochs are the same),
and one as people write them. Points are counted, not timed; a kill that does not land ends the script.

    python benchmarks/backup_and_restore.py FOLDER [--backends tensorflow,torch] [--kills 100] [--seed 0]
"""

from __future__ import annotations

import argparse
import collections
import csv
import json
import os
import random
import shutil
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

from unikeras import faults
from unikeras.backends import BACKENDS, select
from unikeras.launcher import child_environment

STEPS, EPOCHS, BATCH_SIZE = 8, 4, 8
# How often a training comes to each point, so that every kill lands.
REACHED = {
    "step": STEPS * EPOCHS,  # after a step, and after the save that belongs to it
    "epoch": EPOCHS - 1,  # after an epoch's row, before its save
    "save.begin": EPOCHS - 1,
    "save.weights": 60,  # after each array that is written into the HDF5 file
    "save.metadata": EPOCHS - 1,  # the file of the position is open, and empty
    "save.end": EPOCHS - 1,
}
VARIANTS: dict[str, dict[str, Any]] = {
    "same order, no dropout; save_freq='epoch'": {"easy": True, "save_freq": "epoch"},
    "same order, no dropout; save_freq='epoch', double_checkpoint": {
        "easy": True,
        "save_freq": "epoch",
        "double_checkpoint": True,
    },
    "same order, no dropout; save_freq=3": {"easy": True, "save_freq": 3},
    "shuffled, dropout; save_freq='epoch'": {"easy": False, "save_freq": "epoch"},
    "shuffled, dropout; save_freq=3": {"easy": False, "save_freq": 3},
}
KILLED = -9


def make_model(easy: bool) -> Any:
    """The model of the kill matrix: a convolution with BatchNorm, and dropout where it is not to be easy."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(0)
    dropout = [] if easy else [layers.Dropout(0.5)]
    convolution = [layers.Conv2D(4, 3, padding="same"), layers.BatchNormalization(), layers.ReLU(), layers.Flatten()]
    model = keras.Sequential([keras.Input((8, 8, 1)), *convolution, *dropout, layers.Dense(3)])
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def watched(save_freq: str | int, folder: Path, double_checkpoint: bool) -> Any:
    """Keras' callback, which says when it comes to a point; nothing else about it is changed."""
    import h5py
    import keras
    from keras.src.callbacks import backup_and_restore as module

    class Watched(keras.callbacks.BackupAndRestore):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            faults.reach("epoch")
            super().on_epoch_end(epoch, logs)

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            super().on_train_batch_end(batch, logs)
            faults.reach("step")

        def _save_model(self) -> None:
            faults.reach("save.begin")
            super()._save_model()
            faults.reach("save.end")

    h5py.Group.create_dataset = then("save.weights", h5py.Group.create_dataset)
    module.json = types.SimpleNamespace(dumps=then("save.metadata", json.dumps), loads=json.loads)
    return Watched(str(folder / "backup"), save_freq, double_checkpoint)


def then(point: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        answer = function(*args, **kwargs)
        faults.reach(point)
        return answer

    return wrapped


def train(folder: Path, easy: bool, save_freq: str | int, double_checkpoint: bool = False) -> None:
    """One training, as far as it gets; its weights are there only if it has ended."""
    import keras
    import numpy as np

    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    inputs, labels = rng.random((STEPS * BATCH_SIZE, 8, 8, 1), np.float32), rng.integers(0, 3, STEPS * BATCH_SIZE)
    model = make_model(easy)
    rows = keras.callbacks.CSVLogger(folder / "rows.csv", append=True)
    callbacks = [rows, watched(save_freq, folder, double_checkpoint)]
    model.fit(inputs, labels, BATCH_SIZE, EPOCHS, verbose=0, callbacks=callbacks, shuffle=not easy)
    np.savez(folder / "weights.npz", *model.get_weights())


def forked(fault: str | None, folder: Path, variant: dict[str, Any]) -> int:
    """Status of a training in a fork of this process, which has imported the framework and run nothing."""
    sys.stdout.flush()
    process = os.fork()
    if process == 0:
        faults.arm(fault)
        try:
            with (folder.parent / "log").open("a") as log:
                os.dup2(log.fileno(), 1)
                os.dup2(log.fileno(), 2)
                train(folder, **variant)
        except Exception as error:  # noqa: BLE001 - what Keras raises is a result
            print(f"{type(error).__name__}: {error}", flush=True)
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def ending(folder: Path, unbroken: Path, status: int) -> tuple[str, bool]:
    """How a resumed training ended, and whether each epoch has one row."""
    if status != 0:
        return "could not be resumed", False
    epochs = [row["epoch"] for row in csv.DictReader((folder / "rows.csv").open())]
    same = (folder / "weights.npz").read_bytes() == (unbroken / "weights.npz").read_bytes()
    return "same weights" if same else "other weights", epochs == [str(epoch) for epoch in range(EPOCHS)]


def kill_all(folder: Path, variant: dict[str, Any], kills: int, rng: random.Random) -> dict[str, Any]:
    """`kills` trainings, each killed once and started again."""
    unbroken = folder / "unbroken"
    assert forked(None, unbroken, variant) == 0
    counts: collections.Counter[str] = collections.Counter()
    failed: collections.Counter[str] = collections.Counter()
    for number in range(kills):
        point = [*REACHED][number % len(REACHED)]
        fault, killed = f"kill:{point}:{rng.randint(1, REACHED[point])}", folder / str(number)
        assert forked(fault, killed, variant) == KILLED, f"{fault} did not land"
        how, once = ending(killed, unbroken, forked(None, killed, variant))
        counts.update([how, *(["rows once"] if once else [])])
        failed.update([] if how == "same weights" else [point])
        shutil.rmtree(killed)
    return {"kills": kills, **counts, "not the same, by point": dict(failed)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="an empty folder for the trainings")
    parser.add_argument("--backends", default="tensorflow,torch")
    parser.add_argument("--kills", type=int, default=100, help="kills for each training and backend")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--inside", help=argparse.SUPPRESS)  # the backend whose process this is
    given = parser.parse_args()
    if given.inside is None:
        for info in select(given.backends):
            command = [sys.executable, __file__, *sys.argv[1:], "--inside", info.name]
            subprocess.run(command, env=child_environment(BACKENDS[info.name], 1), check=True)
        return
    import keras  # noqa: F401 - before the forks

    for number, (name, variant) in enumerate(VARIANTS.items()):
        folder = given.folder.resolve() / f"{given.inside}-{number}"
        folder.mkdir(parents=True)
        counts = kill_all(folder, variant, given.kills, random.Random(f"{given.seed} {number}"))
        print(json.dumps({"backend": given.inside, "training": name, **counts}), flush=True)


if __name__ == "__main__":
    main()
