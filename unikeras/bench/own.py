"""unikeras itself: the whole of `unikeras train`, with its order, metrics, events and checkpoints."""

from __future__ import annotations

import math
import time
from typing import Any

from unikeras import backends, run, training
from unikeras.backends.base import Backend
from unikeras.bench.contender import Contender
from unikeras.bench.turns import StepCounter
from unikeras.bench.workload import Workload
from unikeras.data.dataset import Split
from unikeras.events import Emit
from unikeras.recorder import Recorder
from unikeras.session import Session


class Racing(Session):
    """A session that gives its turn away when it is over."""

    turns: StepCounter

    def after_step(self) -> None:
        super().after_step()
        self.turns.step_done(self.settings.batch_size)

    def after_epoch(self) -> None:
        super().after_epoch()
        self.turns.step_done(self.settings.batch_size)


class Own(Contender):
    """A backend in unikeras' training loop."""

    def __init__(self, workload: Workload, emit: Emit) -> None:
        self.workload, self.emit = workload, emit
        self.backend: Backend = backends.load(workload.settings.backend)(workload.spec)

    def step(self, inputs: Any, labels: Any) -> float:
        return float(self.backend.train_step(inputs, labels, self.workload.settings.learning_rate))

    def evaluate(self, split: Split) -> float:
        return training.evaluate(self.backend, split, self.workload.batch_size).accuracy

    def test_accuracy(self) -> float:
        """The loop has evaluated it already."""
        return float(self.recorder.books.epoch_row["test_accuracy"])

    def wait(self) -> None:
        self.backend.load_metrics(self.backend.read_metrics())

    def train(self, turns: StepCounter) -> None:
        settings, data, folder = self.workload.settings, self.workload.data, self.workload.folder
        steps = math.ceil(len(data.train.y) / settings.batch_size)
        self.recorder = Recorder(self.backend, folder / run.METRICS, self.emit, steps, settings.log_every, time.monotonic())
        session = Racing(self.backend, settings, folder, self.recorder, self.emit)
        session.turns = turns
        session.train(data)


def load(backend: str) -> type[Contender]:
    """The contender of a backend, whose framework is imported here."""
    backends.load(backend)
    return Own
