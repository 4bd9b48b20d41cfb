"""Stage 6: a real training run by the one training loop: the right batches at the right rates, and losses inside the envelope."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, SupportsFloat

import numpy as np

from unikeras import training
from unikeras.backends.base import Backend, Metrics
from unikeras.checking.diagnosis import loop
from unikeras.checking.figures import Figure
from unikeras.checking.judge import leaves, make_envelope
from unikeras.checking.subject import Subject
from unikeras.recorder import Step
from unikeras.weights import Weights


class Watched:
    """A backend of which every training step is noted down: batch, rate and loss."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.steps: list[tuple[np.ndarray, np.ndarray, float]] = []
        self.losses: list[float] = []
        self.slots: Weights = {}  # before the first step

    def train_step(self, inputs: np.ndarray, labels: np.ndarray, learning_rate: float) -> SupportsFloat:
        """The backend's own; the loss is that of its metrics."""
        loss = self.backend.train_step(inputs, labels, learning_rate)
        self.steps.append((np.array(inputs), np.array(labels), learning_rate))
        self.losses.append(self.backend.read_metrics().loss)
        return loss

    def __getattr__(self, name: str) -> Any:
        return getattr(self.backend, name)


class Silent:
    """Recorder and keeper without books: what happened is noted down by `Watched`."""

    def begin_epoch(self, epoch: int) -> None:
        """Nothing to prepare."""

    def step_done(self, step: Step) -> None:
        """Noted down already."""

    def end_epoch(self, evaluate: Callable[[], Metrics]) -> Metrics:
        """The epoch's test metrics."""
        return evaluate()

    def after_step(self) -> None:
        """Nothing to save."""

    def after_epoch(self) -> None:
        """Nothing to save."""


def run(subject: Subject) -> Watched:
    """Trains from the seeded initial weights, as `unikeras train` does."""
    watched, silent = Watched(subject.make_model()), Silent()
    watched.slots = watched.optimizer_state()
    watched.load_weights(subject.evidence.load("initial"))
    evidence = subject.evidence
    training.train(watched, evidence.data(), evidence.settings, silent, training.Position(), silent)  # type: ignore[arg-type]
    return watched


def measure(subject: Subject, exact: Subject) -> tuple[list[float], bool | None]:
    """Compares slots at the start, batches and rates, which have to be equal.

    Returns:
        The losses, which the parent judges by the envelope; and where they leave it, whether those in float64 keep to theirs.
    """
    watched, plan = run(subject), subject.evidence.trajectory()
    expected = [indices for indices, _ in plan]
    taken = _samples_taken(subject, watched)
    subject.add(_slots_figure(watched.slots), _batches_figure(subject, expected, taken))
    rates, given = [rate for _, rate in plan], [rate for _, _, rate in watched.steps]
    subject.add(_rates_figure(rates, given, math.ceil(len(plan) / subject.evidence.settings.epochs)))
    found = subject.evidence.load_json("trajectory")
    if not leaves(make_envelope(found["center"], found["twins"], subject.dtype), watched.losses):
        return watched.losses, None
    return watched.losses, not leaves(make_envelope(found["center"], found["twins"], "float64"), run(exact).losses)


def _slots_figure(slots: Weights) -> Figure:
    """An optimiser has to start from empty slots."""
    other = next((name for name, value in slots.items() if np.any(value)), None)
    if other is None:
        return Figure("trajectory", "training loop", "slots", 0.0, 0.0)
    words = f"slots start at {slots[other].flat[0]:g}, not at 0"
    return Figure("trajectory", "training loop", "slots", math.inf, 0.0, f"{other} is not empty at the start", looks_like=words)


def _samples_taken(subject: Subject, watched: Watched) -> list[np.ndarray | None]:
    """Indices of the samples of each step; None where a batch holds something else."""
    train = subject.evidence.data().train
    places: dict[bytes, list[int]] = {}
    for index, (sample, label) in enumerate(zip(train.x, train.y, strict=True)):
        places.setdefault(sample.tobytes() + label.tobytes(), []).append(index)
    taken: list[np.ndarray | None] = []
    for inputs, labels, _ in watched.steps:
        found = [places.get(sample.tobytes() + label.tobytes(), [-1])[0] for sample, label in zip(inputs, labels, strict=True)]
        taken.append(None if -1 in found else np.array(found))
    return taken


def _batches_figure(subject: Subject, expected: list[np.ndarray], taken: list[np.ndarray | None]) -> Figure:
    # Equal samples count as one, or nothing could be said about a dataset that holds some twice.
    train, same = subject.evidence.data().train, dict[bytes, int]()
    first = np.array(
        [same.setdefault(x.tobytes() + y.tobytes(), i) for i, (x, y) in enumerate(zip(train.x, train.y, strict=True))]
    )
    expected = [first[indices] for indices in expected]
    steps = zip(expected, taken, strict=False)
    wrong = next((step for step, (one, other) in enumerate(steps) if other is None or not np.array_equal(one, other)), None)
    problem = None if wrong is None else f"step {wrong + 1} got other samples"
    if wrong is None and len(expected) != len(taken):
        problem = f"{len(taken)} steps for {len(expected)}"
    if problem is None:
        return Figure("trajectory", "training loop", "batches", 0.0, 0.0)
    settings = subject.evidence.settings
    per_epoch = math.ceil(len(expected) / settings.epochs)
    words = loop.explain_batches(expected, taken, per_epoch, settings.batch_size)
    return Figure("trajectory", "training loop", "batches", math.inf, 0.0, problem, looks_like=words)


def _rates_figure(expected: list[float], given: list[float], per_epoch: int) -> Figure:
    wrong = next((step for step, (one, other) in enumerate(zip(expected, given, strict=False)) if one != other), None)
    if wrong is None:
        return Figure("trajectory", "training loop", "learning rate", 0.0, 0.0)
    problem = f"{given[wrong]:g} for {expected[wrong]:g} at step {wrong + 1}"
    words = loop.explain_rates(expected, given, per_epoch)
    return Figure("trajectory", "training loop", "learning rate", math.inf, 0.0, problem, looks_like=words)
