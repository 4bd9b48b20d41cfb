"""Kills trainings at seeded points, resumes each, and compares with a training that was never interrupted.

A chain is one training that is killed many times, each time at another point, and then ends. It must end with the same weights
and rows as the unbroken one. `scripts/kill_matrix` runs hundreds of points a backend; `test_kills.py` a sample.
"""

from __future__ import annotations

import argparse
import collections
import os
import random
import sys
import time
from pathlib import Path
from typing import Any

from support import MODEL_FILES
from trainings import Trainings, outcome

from unikeras import faults
from unikeras.backends import select
from unikeras.printing import print_json

# Eight steps an epoch, a checkpoint every three, a row every five: each point is reached so often within twenty steps of a start.
SETTINGS = {
    "model": str(MODEL_FILES / "dropout.py"),
    "dataset": "random:8x8x1:3:64",
    "batch_size": 8,
    "augment": "flip+shift",
    "schedule": "cosine",
    "clip_norm": 1.0,
    "log_every": 5,
    "checkpoint_every": "3steps",
}
REACHED = {"step": 10, "row": 3, "evaluated": 2, "checkpoint.pruned": 2, "resume.loaded": 1, "resume.ready": 1}
REACHED |= {point: 16 for point in faults.POINTS if point.startswith("file.")}
REACHED |= {point: 3 for point in faults.POINTS if point.startswith("checkpoint.") and point not in REACHED}
STEPS_BETWEEN = 17  # at most, from a start to a kill
KILLED = -9  # exit status


def chain(rng: random.Random, length: int) -> list[str]:
    """Faults of a chain: points of all kinds in random order, then at the end of training, then among the final files."""
    points = list(REACHED)
    order = [point for _ in range(-(-length // len(points))) for point in rng.sample(points, len(points))][: length - 2]
    # There is something to resume after the first steps only.
    first = order.index(next(point for point in order if not point.startswith("resume")))
    order = [order[first], "step", *order[:first], *order[first + 1 : -1]]
    middle = [f"kill:{point}:{rng.randint(1, REACHED[point])}" for point in order]
    # Resumed after the last step, a training writes four files: its configuration, run.json, the weights and the result.
    return [*middle, "kill:trained:1", f"kill:file.{rng.choice(['begin', 'half', 'written', 'synced'])}:{rng.randint(3, 4)}"]


def survive(trainings: Trainings, folder: Path, killings: list[str]) -> None:
    """Goes through a chain, and then to the end.

    Raises:
        AssertionError: a kill did not land, or the training did not end after the last.
    """
    settings = trainings.settings(**SETTINGS, epochs=epochs_for(len(killings)))
    for fault in killings:
        ended = trainings.train(folder, settings, fault)
        assert ended.status == KILLED, f"{fault} did not land: {ended}"
    trainings.finish(folder, settings)


def epochs_for(length: int) -> int:
    """Epochs that a chain can't use up."""
    return -(-length * STEPS_BETWEEN // 8)


def kill_backend(backend: str, points: int, length: int, seed: int, folder: Path) -> dict[str, Any]:
    """Kills a backend's trainings at `points` points, `length` in each chain."""
    started = time.monotonic()
    counts: collections.Counter[str] = collections.Counter()
    rng = random.Random(f"{seed} {backend}")
    trainings = Trainings(backend, folder / f"{backend}.log")
    trainings.finish(folder / f"{backend}-unbroken", trainings.settings(**SETTINGS, epochs=epochs_for(length)))
    expected = outcome(folder / f"{backend}-unbroken")
    for number in range(-(-points // length)):
        killings = chain(rng, length)
        killed = folder / f"{backend}-{number}"
        survive(trainings, killed, killings)
        assert outcome(killed) == expected, f"{killed} ended otherwise than an unbroken training, after {killings}"
        counts.update(fault.split(":")[1] for fault in killings)
        print(f"{backend}: {counts.total()} kills survived", file=sys.stderr, flush=True)
    trainings.close()
    return {"kills": counts.total(), "seconds": round(time.monotonic() - started), "by_point": dict(sorted(counts.items()))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="an empty folder for the runs")
    parser.add_argument("--backends", default="all")
    parser.add_argument("--points", type=int, default=200, help="kills for each backend")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("UNIKERAS_CACHE_DIR", str(given.folder / "cache"))
    names = [info.name for info in select(given.backends)]
    print_json({name: kill_backend(name, given.points, 20, given.seed, given.folder) for name in names})


if __name__ == "__main__":
    main()
