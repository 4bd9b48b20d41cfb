"""How long it takes until something happens: importing unikeras, `--help`, and the first training step of each backend.

    python benchmarks/startup.py [--rounds 7]

Run it alone on a machine. Everything takes turns; printed are medians with the range, in seconds. The first step is that of the
command `unikeras train`, until its row is in metrics.jsonl, less the same by a script that knows nothing but the framework.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

UNIKERAS = str(Path(sys.executable).with_name("unikeras"))
DATA = ("--dataset", "random:8x8x1:3:192", "--model", "mlp", "--batch-size", "64", "--epochs", "1", "--log-every", "1", "--quiet")
ARRAYS = """
import numpy as np
x, y = np.random.default_rng(0).random((64, 64), np.float32), np.arange(64) % 3
"""
KERAS = """
import keras
model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(128, "relu"), keras.layers.Dense(3)])
model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
print(float(model.train_on_batch(x, y)), flush=True)
"""
TORCH = """
import torch
model = torch.nn.Sequential(torch.nn.Linear(64, 128), torch.nn.ReLU(), torch.nn.Linear(128, 3))
optimizer = torch.optim.Adam(model.parameters())
loss = torch.nn.functional.cross_entropy(model(torch.from_numpy(x)), torch.from_numpy(y))
loss.backward()
optimizer.step()
print(loss.item(), flush=True)
"""
TENSORFLOW = """
import tensorflow as tf
draw = tf.random.Generator.from_seed(0).normal
weights = [tf.Variable(draw(shape)) for shape in ((64, 128), (128, 3))]

@tf.function
def step(x, y):
    with tf.GradientTape() as tape:
        logits = tf.nn.relu(x @ weights[0]) @ weights[1]
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits))
    for weight, gradient in zip(weights, tape.gradient(loss, weights)):
        weight.assign_sub(1e-3 * gradient)
    return loss

print(float(step(x, y)), flush=True)
"""
BARE = {"tensorflow": KERAS, "torch": KERAS, "native-tensorflow": TENSORFLOW, "native-torch": TORCH}


def main() -> int:
    rounds = _parse().rounds
    seconds: dict[str, list[float]] = {}
    for _ in range(1 + rounds):  # the first one warms the disk's cache
        for name, measure in _measures().items():
            seconds.setdefault(name, []).append(measure())
    for name, times in seconds.items():
        _print(name, times[1:])
    for backend in BARE:
        pairs = zip(seconds[f"{backend}: first step"][1:], seconds[f"{backend}: bare first step"][1:], strict=True)
        _print(f"{backend}: over bare", [ours - bare for ours, bare in pairs])
    return 0


def _measures() -> dict[str, Callable[[], float]]:
    commands = {
        "python": [sys.executable, "-c", "pass"],
        "import unikeras": [sys.executable, "-c", "import unikeras"],
        "unikeras --help": [UNIKERAS, "--help"],
        "unikeras train --help": [UNIKERAS, "train", "--help"],
    }
    measures: dict[str, Callable[[], float]] = {name: partial(_until_end, command) for name, command in commands.items()}
    for backend, code in BARE.items():
        measures[f"{backend}: first step"] = partial(_until_first_row, backend)
        measures[f"{backend}: bare first step"] = partial(_until_first_line, backend, code)
    return measures


def _until_end(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started


def _until_first_line(backend: str, code: str) -> float:
    """Seconds until a script prints its first loss."""
    environment = os.environ | {"KERAS_BACKEND": backend.removeprefix("native-"), "TF_CPP_MIN_LOG_LEVEL": "3"}
    started = time.perf_counter()
    command = [sys.executable, "-c", ARRAYS + code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment, text=True) as process:
        assert process.stdout is not None
        float(process.stdout.readline())
        return time.perf_counter() - started


def _until_first_row(backend: str) -> float:
    """Seconds until a training has the row of its first step."""
    with tempfile.TemporaryDirectory() as folder:
        rows = Path(folder) / "run" / "metrics.jsonl"
        command = [UNIKERAS, "train", "--backend", backend, *DATA, "--output", str(rows.parent)]
        started = time.perf_counter()
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            while not (rows.is_file() and rows.stat().st_size):
                assert process.poll() is None, f"{backend} ended without a step"
                time.sleep(0.002)
            return time.perf_counter() - started


def _print(name: str, times: list[float]) -> None:
    print(f"{name:32} {statistics.median(times):6.3f} s   ({min(times):.3f} to {max(times):.3f})", flush=True)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
