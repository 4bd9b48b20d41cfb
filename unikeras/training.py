"""The one training loop. It owns order, augmentation, schedule, evaluation and stopping, and knows no framework."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np

from unikeras.backends.base import Backend, Metrics
from unikeras.data.augment import Augmenter
from unikeras.data.dataset import Dataset, Split
from unikeras.data.order import epoch_order
from unikeras.faults import reach
from unikeras.optimizers import Schedule
from unikeras.recorder import Step
from unikeras.settings import Settings


@dataclasses.dataclass
class Position:
    """Where a training is, between two steps: with the weights, slots and generators, all that the next step depends on.

    Attributes:
        epoch: The one that comes next or goes on, counted from 1.
        step: Steps taken so far.
        best: Lowest test loss at the end of an epoch so far.
        waited: Epochs since then.
        test_loss: At the end of an epoch; None in its middle.
        skipped: Steps whose batch is left out.
        rate_scale: Factor of the learning rate.
    """

    epoch: int = 1
    step: int = 0
    best: float = math.inf
    waited: int = 0
    test_loss: float | None = None
    skipped: list[int] = dataclasses.field(default_factory=list)
    rate_scale: float = 1.0

    def end_epoch(self, test_loss: float) -> None:
        """Counts an epoch that ended with this test loss."""
        self.epoch += 1
        self.test_loss = test_loss
        self.waited = 0 if test_loss < self.best else self.waited + 1
        self.best = min(self.best, test_loss)


class Keeper(Protocol):
    """Who saves the training, and stops it when asked; `session.py` has the one there is."""

    def after_step(self) -> None:
        """A step has been taken, and it was not the last one of its epoch."""

    def after_epoch(self) -> None:
        """An epoch has ended, with its evaluation."""


class Reporter(Protocol):
    """Who is told of every step; the methods are those of `recorder.Recorder`."""

    def begin_epoch(self, epoch: int) -> None: ...
    def step_done(self, step: Step) -> None: ...
    def step_skipped(self, step: int, learning_rate: float, samples: int) -> None: ...
    def end_epoch(self, evaluate: Callable[[], Metrics]) -> Metrics: ...


def train(backend: Backend, dataset: Dataset, settings: Settings, recorder: Reporter, position: Position, keeper: Keeper) -> None:
    """Trains `backend` on `dataset` from `position`, reporting every step to `recorder`."""
    count = len(dataset.train.y)
    steps_per_epoch = math.ceil(count / settings.batch_size)
    schedule = Schedule(settings.schedule, settings.learning_rate, steps_per_epoch * settings.epochs, settings.warmup_steps)
    while position.epoch <= settings.epochs and not should_stop(position, settings.early_stopping):
        recorder.begin_epoch(position.epoch)
        augment = augmenter(dataset, settings, position.epoch)
        done = position.step - (position.epoch - 1) * steps_per_epoch
        for indices in batches(epoch_order(settings.seed, position.epoch, count), settings.batch_size, done):
            rate = position.rate_scale * schedule(position.step)
            position.step += 1
            position.test_loss = None
            if position.step in position.skipped:
                recorder.step_skipped(position.step, rate, len(indices))
            else:
                loss = backend.train_step(*batch(dataset, augment, indices), rate)
                recorder.step_done(Step(position.step, rate, indices, loss))
            reach("step")
            if position.step < position.epoch * steps_per_epoch:
                keeper.after_step()
        test = recorder.end_epoch(lambda: evaluate(backend, dataset.test, settings.batch_size))
        position.end_epoch(test.loss)
        reach("evaluated")
        keeper.after_epoch()


def augmenter(dataset: Dataset, settings: Settings, epoch: int) -> Augmenter:
    """What changes the images in an epoch."""
    augment = Augmenter(settings.augment, settings.seed, len(dataset.train.y), dataset.input_shape)
    augment.start_epoch(epoch)
    return augment


def batch(dataset: Dataset, augment: Augmenter, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and labels of a step."""
    return augment(dataset.train.x[indices], indices), dataset.train.y[indices]


def should_stop(position: Position, patience: int | None) -> bool:
    """Whether the test loss has not fallen for `patience` epochs; never, without patience."""
    return patience is not None and position.waited >= patience


def evaluate(backend: Backend, split: Split, batch_size: int) -> Metrics:
    """Loss and accuracy over a split, in its own order."""
    for part in evaluation_slices(len(split.y), batch_size):
        backend.evaluate_step(np.array(split.x[part]), np.array(split.y[part]))
    return backend.read_metrics()


def evaluation_slices(count: int, batch_size: int) -> Iterator[slice]:
    """Pieces of a split of `count` samples, in its own order."""
    size = evaluation_batch_size(batch_size)
    return (slice(start, start + size) for start in range(0, count, size))


def evaluation_batch_size(batch_size: int) -> int:
    """Samples to evaluate at once: without gradients to keep, four training batches fit where one did.

    No more than 256 but for larger training batches: beyond, it is no faster, and the peak of a run's memory.
    """
    return max(batch_size, min(4 * batch_size, 256))


def batches(order: np.ndarray, batch_size: int, first: int) -> Iterator[np.ndarray]:
    """Pieces of `order`, int64, from the piece numbered `first` on; the last one may be smaller."""
    for start in range(first * batch_size, len(order), batch_size):
        yield order[start : start + batch_size].astype(np.int64)
