"""Stage 6: a real training run by the one training loop: the right batches at the right rates, and losses inside the envelope."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from unikeras import training
from unikeras.backends.base import Backend, Metrics
from unikeras.check.figures import Figure
from unikeras.check.subject import Subject


class Watched:
    """A backend of which every training step is noted down: batch, rate and loss."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.steps: list[tuple[np.ndarray, np.ndarray, float]] = []
        self.losses: list[float] = []

    def train_step(self, inputs: np.ndarray, labels: np.ndarray, learning_rate: float) -> None:
        """The backend's own, whose loss is then read."""
        self.backend.train_step(inputs, labels, learning_rate)
        self.steps.append((np.array(inputs), np.array(labels), learning_rate))
        self.losses.append(self.backend.read_metrics().loss)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.backend, name)


class SilentRecorder:
    """What the training loop reports to, without books: metrics are read by `Watched`."""

    def begin_epoch(self, epoch: int) -> None:
        """Nothing to prepare."""

    def step_done(self, step: int, samples: int) -> bool:
        """The loop needn't read the metrics."""
        return False

    def end_epoch(self, evaluate: Callable[[], Metrics], learning_rate: float) -> Metrics:
        """The epoch's test metrics."""
        return evaluate()


def run(subject: Subject) -> Watched:
    """Trains from the seeded initial weights, as `unikeras train` does."""
    watched = Watched(subject.make_model())
    watched.load_weights(subject.evidence.load("initial"))
    training.train(watched, subject.evidence.data(), subject.evidence.settings, SilentRecorder())  # type: ignore[arg-type]
    return watched


def measure(subject: Subject) -> list[float]:
    """Compares batches and rates, which have to be equal; returns the losses, which the parent judges by the envelope."""
    watched, data = run(subject), subject.evidence.data()
    plan = subject.evidence.trajectory()
    first_wrong = None
    for step, ((indices, rate), (inputs, labels, given)) in enumerate(zip(plan, watched.steps, strict=False)):
        right = np.array_equal(inputs, data.train.x[indices]) and np.array_equal(labels, data.train.y[indices])
        if first_wrong is None and not right:
            first_wrong = ("batches", f"step {step + 1} got other samples")
        if first_wrong is None and given != rate:
            first_wrong = ("learning rate", f"{given:g} for {rate:g} at step {step + 1}")
    if first_wrong is None and len(plan) != len(watched.steps):
        first_wrong = ("batches", f"{len(watched.steps)} steps for {len(plan)}")
    for name in ("batches", "learning rate"):
        problem = first_wrong[1] if first_wrong and first_wrong[0] == name else None
        subject.add(Figure("trajectory", "training loop", name, math.inf if problem else 0.0, 0.0, problem))
    return watched.losses
