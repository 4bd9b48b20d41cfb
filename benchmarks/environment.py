"""What the environment variables that `unikeras.launcher` sets for workers are worth: a training step with them ÷ without.

    python benchmarks/environment.py [--groups allocator,oneDNN,primitives] [--models cnn,resnet8] [--batch-sizes 64,256]
                                     [--rounds 3]

Run it alone on a machine. The variables are read when a process starts, so every sample is a process; with and without take turns
(A B B A). Printed are milliseconds a step with the variables, the median of the rounds' ratios with their range, and as the noise
band the ratios of like processes.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import subprocess
import sys
import time

import numpy as np

SAMPLES, WARM_UP = 3000, 5  # images and steps in a process


def main() -> None:
    """Prints a line for each group, native backend, model and batch size."""
    from unikeras.backends import BACKENDS
    from unikeras.launcher import ALLOCATOR, ONEDNN, PRIMITIVES, child_environment

    options = _parse()
    if options.measure:
        print(measure(options.measure, options.models, int(options.batch_sizes)))
        return
    groups = [("allocator", ALLOCATOR, "native-torch"), ("allocator", ALLOCATOR, "native-tensorflow")]
    groups += [("oneDNN", ONEDNN, "native-tensorflow"), ("primitives", PRIMITIVES, "native-tensorflow")]
    groups = [group for group in groups if group[0] in options.groups.split(",")]
    for group, model, size in itertools.product(groups, options.models.split(","), options.batch_sizes.split(",")):
        title, variables, backend = group
        tuned = child_environment(BACKENDS[backend], threads=None)
        plain = {key: value for key, value in tuned.items() if key not in variables}
        ratios, noise, milliseconds = [], [], []
        for _ in range(options.rounds):
            a1, b1, b2, a2 = (_sample(backend, model, size, environment) for environment in (tuned, plain, plain, tuned))
            ratios.append((a1 + a2) / (b1 + b2))
            noise += [a1 / a2, b1 / b2]
            milliseconds += [a1, a2]
        ratio = f"ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        what = f"{title:10} {backend:18} {model:8} batch {size:>4} {statistics.median(milliseconds):6.1f} ms"
        print(f"{what}  {ratio}  noise {min(noise):.2f} to {max(noise):.2f}", flush=True)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--groups", default="allocator,oneDNN,primitives")
    parser.add_argument("--models", default="cnn,resnet8")
    parser.add_argument("--batch-sizes", default="64,256")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    return parser.parse_args()


def _sample(backend: str, model: str, batch_size: str, environment: dict[str, str]) -> float:
    """Milliseconds a step in a new process."""
    command = [sys.executable, __file__, "--measure", backend, "--models", model, "--batch-sizes", batch_size]
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return float(answer.stdout.split()[-1])


def measure(backend_name: str, model: str, batch_size: int) -> float:
    """Median milliseconds a step on 32×32×3 images, after some steps of warming up."""
    from unikeras import factory
    from unikeras.settings import Settings

    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (batch_size, 32, 32, 3), dtype=np.uint8), rng.integers(0, 10, batch_size)
    inputs = {"shape": [32, 32, 3], "dtype": "uint8", "class_names": list("0123456789"), "scale": 1 / 255, "offset": 0.0}
    backend = factory.make_backend(Settings(model=model, backend=backend_name), backend_name, inputs)
    seconds = []
    for _ in range(WARM_UP + SAMPLES // batch_size):
        start = time.perf_counter()
        backend.train_step(images, labels, 1e-3)
        backend.read_metrics()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[WARM_UP:]) * 1000


if __name__ == "__main__":
    main()
