"""What each fast path inside a training step is worth: a step without it ÷ a step with it, in the same process.

    python benchmarks/fast_paths.py [--model cnn] [--batch-sizes 64,256] [--threads 2] [--rounds 30]

Run it alone on a machine. Each backend gets a process of its own for each batch size, in which the ways to take a step take turns
in random order, there and back. Printed are the median milliseconds of a step, the median of the rounds' ratios with their
quartiles, the first way against itself as the noise band, and how far the weights are from the first way's after the same steps.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import numpy as np

from unikeras.backends.base import Backend

WARM_UP = 5
AGAIN = "the first again"
Make = Callable[[str], Backend]  # gives a backend after its first steps
Ways = dict[str, Backend]


def main() -> int:
    options = _parse()
    if options.measure:
        print(json.dumps(measure(options)))
        return 0
    from unikeras.backends import BACKENDS
    from unikeras.launcher import child_environment

    for batch_size in options.batch_sizes.split(","):
        for backend in WAYS:
            print(f"{backend}, {options.model}, batch {batch_size}, {options.threads} threads", flush=True)
            command = [sys.executable, __file__, *sys.argv[1:], "--batch-sizes", batch_size, "--measure", backend]
            environment = child_environment(BACKENDS[backend], threads=options.threads)
            answer = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
            for way, found in json.loads(answer.stdout.splitlines()[-1]).items():
                low, middle, high = found["ratio"]
                times = f"{found['milliseconds']:7.1f} ms   ratio {middle:.3f} ({low:.3f} to {high:.3f})"
                print(f"  {way:32} {times}   weights {found['apart']:.1e} apart", flush=True)
    return 0


def torch_ways(make: Make) -> Ways:
    """Keras' model as a graph, with and without fewer passes over activations, without a graph, and a model written in torch."""
    from unikeras.backends import _torch_capture, _torch_fusion

    ways = {"graph, fused": make("torch")}
    for way, module, name, replacement in (
        ("graph, rectifiers before poolings", _torch_fusion, "_delay", lambda node: None),
        ("graph, rectifiers not in place", _torch_fusion, "_overwrite", lambda node: None),
        ("graph, biases apart", _torch_fusion, "_give_bias", lambda node: None),
        ("graph, nothing fused", _torch_capture, "fuse", lambda graph: None),
        ("layer by layer", _torch_capture, "capture", _refuse),
    ):
        with patch.object(module, name, replacement):
            ways[way] = make("torch")
    return ways | {"native torch": make("native-torch")}


def _refuse(*_: Any) -> None:
    raise ValueError("no graph, for comparison")


def tensorflow_ways(make: Make) -> Ways:
    """Batches whole, and in parts of several sizes, in a model of Keras."""
    return _parted_ways(make, "tensorflow")


def native_tensorflow_ways(make: Make) -> Ways:
    """The same in a model written in TensorFlow."""
    return _parted_ways(make, "native-tensorflow")


def _parted_ways(make: Make, backend: str) -> Ways:
    from unikeras.backends import _tensorflow_parts

    ways = {"as it is": make(backend)}
    for count in (1, 2, 4, 8):
        with patch.object(_tensorflow_parts.Parts, "count", lambda self, size, count=count: count):
            ways[f"parts: {count}"] = make(backend)
    return ways


WAYS = {"torch": torch_ways, "tensorflow": tensorflow_ways, "native-tensorflow": native_tensorflow_ways}


def measure(options: argparse.Namespace) -> dict[str, dict[str, object]]:
    """For each way: median milliseconds of a step, quartiles of time ÷ that of the first way, distance from its weights."""
    from unikeras import factory
    from unikeras.settings import Settings

    inputs = {"shape": [32, 32, 3], "dtype": "uint8", "class_names": list("0123456789"), "scale": 1 / 255, "offset": 0.0}
    settings = Settings(model=options.model, batch_size=int(options.batch_sizes), threads=options.threads)
    images, labels = _batch(settings.batch_size)

    def make(name: str) -> Backend:
        backend = factory.make_backend(settings, name, inputs)
        for _ in range(WARM_UP):
            float(backend.train_step(images, labels, 1e-3))
        return backend

    ways = WAYS[options.measure](make)
    first = next(iter(ways))
    apart = {way: _apart(ways[first], backend) for way, backend in ways.items()}
    ways[AGAIN], apart[AGAIN] = ways[first], 0.0
    rounds = [_time_round(ways, images, labels) for _ in range(options.rounds)]
    return {
        way: {
            "milliseconds": float(np.median([spent[way] for spent in rounds])) * 1e3,
            "ratio": np.quantile([spent[way] / spent[first] for spent in rounds], [0.25, 0.5, 0.75]).tolist(),
            "apart": apart[way],
        }
        for way in ways
    }


def _time_round(ways: Ways, images: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Seconds of a step of each way, the mean of two."""
    order = random.sample(list(ways), len(ways))
    spent = dict.fromkeys(order, 0.0)
    for way in order + order[::-1]:
        start = time.perf_counter()
        float(ways[way].train_step(images, labels, 1e-3))
        spent[way] += (time.perf_counter() - start) / 2
    return spent


def _batch(size: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    return rng.integers(0, 256, (size, 32, 32, 3), dtype=np.uint8), rng.integers(0, 10, size)


def _apart(first: Backend, second: Backend) -> float:
    """‖a − b‖ ÷ ‖a‖ over all weights."""
    expected, received = (np.concatenate([one.ravel() for _, one in sorted(made.weights().items())]) for made in (first, second))
    return float(np.linalg.norm(expected - received) / np.linalg.norm(expected))


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="cnn")
    parser.add_argument("--batch-sizes", default="64,256")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--measure", choices=WAYS, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
