"""Whether a run that changes its backend in the middle ends as accurate as one that stays: all twelve ordered pairs.

    python benchmarks/backend_changes.py FOLDER [--model cnn] [--dataset digits] [--epochs 8] [--seeds 8] [--threads 1]

Trains half the epochs on one backend, goes on with `unikeras resume --backend` on another, and compares the test accuracy with
that of runs of `native-torch` alone from as many seeds. Prints both, and fails if a pair is outside of the seeds' range.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from unikeras.backends import BACKENDS

STAYING = "native-torch"


def main() -> int:
    options = _parse()
    seeds = [_train(options, STAYING, seed, options.epochs)["test_accuracy"] for seed in range(options.seeds)]
    print(f"{STAYING}, seeds 0 to {options.seeds - 1}: " + " ".join(f"{accuracy:.4f}" for accuracy in sorted(seeds)), flush=True)
    names = [info.name for info in BACKENDS.values() if info.installed]
    outside = []
    for first, second in itertools.permutations(names, 2):
        half = _train(options, first, 0, options.epochs // 2)
        end = _unikeras("resume", half["run"], "--backend", second, "--epochs", str(options.epochs))
        (result,) = end["runs"]
        is_within = min(seeds) <= result["test_accuracy"] <= max(seeds)
        outside += [] if is_within else [(first, second)]
        print(f"{first} to {second}: {result['test_accuracy']:.4f}{'' if is_within else '  outside'}", flush=True)
    print(f"{len(outside)} pairs outside of {min(seeds):.4f} to {max(seeds):.4f}")
    return len(outside)


def _train(options: argparse.Namespace, backend: str, seed: int, epochs: int) -> dict[str, Any]:
    number = len(list(options.folder.iterdir()))
    data = ("--model", options.model, "--dataset", options.dataset, "--threads", str(options.threads))
    data += ("--schedule", "constant")  # another schedule spans the epochs that it is told at first
    place = ("--output", str(options.folder / f"{number:02}-{backend}"))
    result: dict[str, Any]
    (result,) = _unikeras("train", "--backend", backend, *data, "--seed", str(seed), "--epochs", str(epochs), *place)["runs"]
    return result


def _unikeras(*words: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "unikeras", *words, "--json"]
    finished = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    answer: dict[str, Any] = json.loads(finished.stdout)
    return answer


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="cnn")
    parser.add_argument("--dataset", default="digits")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    return options


if __name__ == "__main__":
    sys.exit(main())
