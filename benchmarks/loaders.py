"""Which way of feeding batches costs least: plain gather, torch's DataLoader, or tf.data, around the same training step.

Run it alone on a machine: `.venv/bin/python benchmarks/loaders.py`. Each backend gets a process of its own, in which the
loaders take turns in short blocks (A B B A); printed are medians over the rounds of time ÷ time of the plain gather, with plain
gather against itself as the noise band.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import numpy as np

from unikeras.backends.base import Backend

ROUNDS, STEPS, BATCH = 9, 20, 64
Batches = Iterator[tuple[np.ndarray, np.ndarray]]


def main() -> None:
    """Measures each native backend in its own process and prints a line per loader."""
    from unikeras.backends import BACKENDS
    from unikeras.launcher import child_environment

    for name in ("native-torch", "native-tensorflow"):
        environment = child_environment(BACKENDS[name], threads=None)
        answer = subprocess.run([sys.executable, __file__, name], env=environment, capture_output=True, text=True, check=True)
        for loader, ratios in json.loads(answer.stdout.splitlines()[-1]).items():
            low, middle, high = np.quantile(ratios, [0.25, 0.5, 0.75])
            print(f"{name:18} {loader:28} {middle:.3f} (quartiles {low:.3f} to {high:.3f})")


def measure(backend_name: str) -> dict[str, list[float]]:
    """Per loader, each round's time ÷ time of the plain gather."""
    from unikeras import jobs
    from unikeras.settings import Settings

    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (20_000, 32, 32, 3), dtype=np.uint8), rng.integers(0, 10, 20_000)
    inputs = {"shape": [32, 32, 3], "dtype": "uint8", "class_names": list("0123456789"), "scale": 1 / 255, "offset": 0.0}
    backend = jobs.make_backend(Settings(backend=backend_name), backend_name, inputs)
    order = rng.permutation(len(y))[: STEPS * BATCH]
    loaders = {"plain gather again": gather} | (torch_loaders() if backend_name == "native-torch" else tensorflow_loaders())
    time_steps(backend, gather(x, y, order))
    ratios: dict[str, list[float]] = {name: [] for name in loaders}
    for _ in range(ROUNDS):
        for name, loader in loaders.items():
            first, second, third, fourth = (time_steps(backend, feed(x, y, order)) for feed in (gather, loader, loader, gather))
            ratios[name].append(statistics.mean((second, third)) / statistics.mean((first, fourth)))
    return ratios


def time_steps(backend: Backend, batches: Batches) -> float:
    """Seconds from asking for the first batch to the end of the last step."""
    start = time.perf_counter()
    for images, labels in batches:
        backend.train_step(images, labels, 1e-3)
    backend.read_metrics()
    return time.perf_counter() - start


def gather(x: np.ndarray, y: np.ndarray, order: np.ndarray) -> Batches:
    """What unikeras does."""
    for start in range(0, len(order), BATCH):
        indices = order[start : start + BATCH]
        yield x[indices], y[indices]


def torch_loaders() -> dict[str, Callable[..., Batches]]:
    """Torch's DataLoader over the same order."""
    import torch

    def load(x: np.ndarray, y: np.ndarray, order: np.ndarray, workers: int) -> Batches:
        dataset = torch.utils.data.TensorDataset(torch.from_numpy(x), torch.from_numpy(y))
        batches = [order[start : start + BATCH].tolist() for start in range(0, len(order), BATCH)]
        for images, labels in torch.utils.data.DataLoader(dataset, batch_sampler=batches, num_workers=workers):
            yield images.numpy(), labels.numpy()

    return {
        "DataLoader, no workers": lambda x, y, order: load(x, y, order, 0),
        "DataLoader, one worker": lambda x, y, order: load(x, y, order, 1),
    }


def tensorflow_loaders() -> dict[str, Callable[..., Batches]]:
    """tf.data over the same order."""
    import tensorflow as tf

    def load(x: np.ndarray, y: np.ndarray, order: np.ndarray) -> Batches:
        pieces = tf.data.Dataset.from_tensor_slices(order).batch(BATCH)

        def pick(indices: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            images, labels = tf.numpy_function(lambda rows: (x[rows], y[rows]), [indices], [tf.uint8, tf.int64])
            return tf.ensure_shape(images, (None, 32, 32, 3)), tf.ensure_shape(labels, (None,))

        return iter(pieces.map(pick, num_parallel_calls=1).prefetch(2))

    def load_from_tensors(x: np.ndarray, y: np.ndarray, order: np.ndarray) -> Batches:
        return iter(tf.data.Dataset.from_tensor_slices((x[order], y[order])).batch(BATCH).prefetch(2))

    return {"tf.data, gather in map": load, "tf.data, from_tensor_slices": load_from_tensors}


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measure(sys.argv[1])))
    else:
        main()
