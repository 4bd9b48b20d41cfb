"""What the allocator settings of `unikeras.launcher` are worth: a training step with them ÷ without them.

Run it alone on a machine: `.venv/bin/python benchmarks/allocator.py`. The settings are read when a process starts, so every
sample is a process; with and without take turns (A B B A). Printed are milliseconds a step with the settings, the median of the
rounds' ratios with their range, and as the noise band the ratios of like processes.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

import numpy as np

ROUNDS, STEPS, BATCH = 3, 40, 64


def main() -> None:
    """Measures the native backends and prints a line for each."""
    from unikeras.backends import BACKENDS
    from unikeras.launcher import ALLOCATOR, child_environment

    for name, info in BACKENDS.items():
        if not name.startswith("native-"):
            continue  # the frameworks themselves, without what Keras adds
        with_settings = child_environment(info, threads=None)
        without = {key: value for key, value in with_settings.items() if key not in ALLOCATOR}
        ratios, noise, milliseconds = [], [], []
        for _ in range(ROUNDS):
            a1, b1, b2, a2 = (sample(name, environment) for environment in (with_settings, without, without, with_settings))
            ratios.append((a1 + a2) / (b1 + b2))
            noise += [a1 / a2, b1 / b2]
            milliseconds += [a1, a2]
        print(
            f"{name:18} {statistics.median(milliseconds):6.1f} ms  ratio {statistics.median(ratios):.2f} "
            f"({min(ratios):.2f} to {max(ratios):.2f})  noise {min(noise):.2f} to {max(noise):.2f}",
            flush=True,
        )


def sample(backend: str, environment: dict[str, str]) -> float:
    """Milliseconds a step in a new process."""
    answer = subprocess.run([sys.executable, __file__, backend], env=environment, capture_output=True, text=True, check=True)
    return float(answer.stdout.split()[-1])


def measure(backend_name: str) -> float:
    """Median milliseconds a step of `cnn` on 32×32×3 images, after ten steps of warming up."""
    from unikeras import jobs
    from unikeras.settings import Settings

    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (BATCH, 32, 32, 3), dtype=np.uint8), rng.integers(0, 10, BATCH)
    inputs = {"shape": [32, 32, 3], "dtype": "uint8", "class_names": list("0123456789"), "scale": 1 / 255, "offset": 0.0}
    backend = jobs.make_backend(Settings(backend=backend_name), backend_name, inputs)
    seconds = []
    for _ in range(10 + STEPS):
        start = time.perf_counter()
        backend.train_step(images, labels, 1e-3)
        backend.read_metrics()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[10:]) * 1000


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(measure(sys.argv[1]))
    else:
        main()
