"""Kills trainings at seeded points, resumes each, and compares with a training that was never interrupted.

A chain is one training that is killed many times, each time at another point, and then ends. It must end with the same weights
and rows as the unbroken one. `scripts/kill_matrix` runs hundreds of points a backend; `test_kills.py` a sample.
"""

from __future__ import annotations

import argparse
import collections
import dataclasses
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from support import MODEL_FILES, TESTS

from unikeras import commands, faults, run
from unikeras.backends import BACKENDS, select
from unikeras.launcher import child_environment
from unikeras.printing import print_json
from unikeras.progress import make_display
from unikeras.settings import resolve

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
    "threads": 1,
}
REACHED = {"step": 10, "row": 3, "evaluated": 2, "checkpoint.pruned": 2, "resume.loaded": 1, "resume.ready": 1}
REACHED |= {point: 16 for point in faults.POINTS if point.startswith("file.")}
REACHED |= {point: 3 for point in faults.POINTS if point.startswith("checkpoint.") and point not in REACHED}
STEPS_BETWEEN = 17  # at most, from a start to a kill
TIMES = ("train_seconds", "test_seconds", "images_per_second")


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


class Killer:
    """A process of a backend that trains, and is killed, as told."""

    def __init__(self, backend: str, epochs: int, log: Path) -> None:
        self.settings = dataclasses.replace(resolve(SETTINGS), backend=backend, epochs=epochs)
        self.dataset = commands.prepare(commands.request_of(self.settings), make_display(quiet=True, json=False))
        command = [sys.executable, "-P", str(TESTS / "probes" / "kill_server.py"), backend]
        environment = {**child_environment(BACKENDS[backend], 1), "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=output, env=environment, text=True
            )
        self.answer()

    def __enter__(self) -> Killer:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.communicate()

    def answer(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def train(self, folder: Path, fault: str | None) -> int:
        """Exit status of a training, or of what it is resumed to, in `folder`."""
        folder.mkdir(exist_ok=True)
        order = {"settings": self.settings.to_dict(), "folder": str(folder), "dataset": str(self.dataset), "fault": fault}
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return int(self.answer())

    def survive(self, folder: Path, killings: list[str]) -> None:
        """Goes through a chain.

        Raises:
            AssertionError: a kill did not land, or the training did not end after the last.
        """
        for fault in killings:
            status = self.train(folder, fault)
            assert status == -9, f"{fault} did not land: exit status {status}"
        status = self.train(folder, None)
        assert status == 0, f"the training did not end: exit status {status}"


def outcome(folder: Path) -> tuple[bytes, list[dict[str, Any]]]:
    """What must not differ: the weights' bytes, and all rows without their times."""
    rows = [{key: value for key, value in row.items() if key not in TIMES} for row in run.load_run(folder).metrics]
    return (folder / run.WEIGHTS).read_bytes(), rows


def kill_backend(backend: str, points: int, length: int, seed: int, folder: Path) -> dict[str, Any]:
    """Kills a backend's trainings at `points` points, `length` in each chain."""
    started = time.monotonic()
    counts: collections.Counter[str] = collections.Counter()
    rng = random.Random(f"{seed} {backend}")
    epochs = -(-length * STEPS_BETWEEN // 8)
    with Killer(backend, epochs, folder / f"{backend}.log") as killer:
        assert killer.train(folder / f"{backend}-unbroken", None) == 0
        expected = outcome(folder / f"{backend}-unbroken")
        for number in range(-(-points // length)):
            killings = chain(rng, length)
            killed = folder / f"{backend}-{number}"
            killer.survive(killed, killings)
            assert outcome(killed) == expected, f"{killed} ended otherwise than an unbroken training, after {killings}"
            counts.update(fault.split(":")[1] for fault in killings)
            print(f"{backend}: {counts.total()} kills survived", file=sys.stderr, flush=True)
    return {"kills": counts.total(), "seconds": round(time.monotonic() - started), "by_point": dict(sorted(counts.items()))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="an empty folder for the runs")
    parser.add_argument("--backends", default="all")
    parser.add_argument("--points", type=int, default=200, help="kills for each backend")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    names = [info.name for info in select(given.backends)]
    print_json({name: kill_backend(name, given.points, 20, given.seed, given.folder) for name in names})


if __name__ == "__main__":
    main()
