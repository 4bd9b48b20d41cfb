"""A backend's step alone: what unikeras' loop costs shows against it."""

from __future__ import annotations

from unikeras import backends
from unikeras.bench.contender import Contender
from unikeras.bench.own import Own
from unikeras.bench.turns import StepCounter


class Bare(Own):
    """The backend's step, on batches that lie in memory."""

    def train(self, turns: StepCounter) -> None:
        batches = self.workload.first_batches(8)
        while True:
            for inputs, labels in batches:
                self.backend.train_step(inputs, labels, self.workload.settings.learning_rate)
                turns.step_done(len(labels))


def load(backend: str) -> type[Contender]:
    """The contender of a backend, whose framework is imported here."""
    backends.load(backend)
    return Bare
