"""What `unikeras train` costs around the steps: order, gather, augmentation, metrics, rows, events and checkpoints.

    python benchmarks/loop_overhead.py [--model cnn] [--batch-size 64] [--threads 2]

Run it alone on a machine. Races can't show a percent or two on a noisy one, so here a training of two epochs is taken apart: the
time from its second step to the end of its last one, less that inside of the backend's steps, ÷ the latter. Printed are medians
of three trainings with their range; steps wait for their end.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

ROUNDS = 3
GOALS = {"none": 0.02, "flip+shift": 0.05}


def main() -> int:
    options = _parse()
    if options.measure:
        print(measure(options))
        return 0
    from unikeras.backends import BACKENDS
    from unikeras.launcher import child_environment

    for backend, info in BACKENDS.items():
        for augment, goal in GOALS.items():
            words = [sys.executable, __file__, *sys.argv[1:], "--measure", backend, "--augment", augment]
            environment = child_environment(info, threads=options.threads)
            answers = [
                subprocess.run(words, env=environment, stdout=subprocess.PIPE, text=True, check=True) for _ in range(ROUNDS)
            ]
            shares = [float(answer.stdout.splitlines()[-1]) for answer in answers]
            print(
                f"{backend:18} --augment {augment:10} {statistics.median(shares):.2%} ({min(shares):.2%} to {max(shares):.2%}; "
                f"goal {goal:.0%})",
                flush=True,
            )
    return 0


def measure(options: argparse.Namespace) -> float:
    """Seconds around the steps ÷ seconds inside of them."""
    from unikeras import commands, factory, jobs
    from unikeras.progress import make_display
    from unikeras.settings import Settings

    spans: list[tuple[float, float]] = []
    evaluations: list[tuple[float, float]] = []

    def make_timed(*arguments: Any) -> Any:
        backend: Any = factory.make_backend(*arguments)
        backend.train_step = _timed(backend.train_step, spans, float)
        backend.evaluate_step = _timed(backend.evaluate_step, evaluations, lambda _: None)
        return backend

    settings = Settings(
        backend=options.measure, model=options.model, dataset="random:32x32x3:10:6400", batch_size=options.batch_size, epochs=2,
        augment=options.augment, threads=options.threads,
    )  # fmt: skip
    dataset = commands.prepare(commands.request_of(settings), make_display(quiet=True, json=True))
    with tempfile.TemporaryDirectory() as folder, patch.object(jobs, "make_backend", make_timed):
        jobs.train(lambda event: None, settings.to_dict(), folder, str(dataset), time.monotonic())
    started, ended = spans[1][0], spans[-1][1]
    inside = sum(end - start for start, end in spans[1:])
    evaluated = sum(end - start for start, end in evaluations if end < ended)
    return (ended - started - inside - evaluated) / inside


def _timed(call: Callable[..., Any], spans: list[tuple[float, float]], wait: Callable[[Any], Any]) -> Callable[..., Any]:
    def timed(*arguments: Any) -> Any:
        start = time.perf_counter()
        result = call(*arguments)
        wait(result)
        spans.append((start, time.perf_counter()))
        return result

    return timed


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="cnn")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    parser.add_argument("--augment", default="none", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
