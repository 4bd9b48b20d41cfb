"""The one training loop. It owns order, augmentation, schedule, evaluation and stopping, and knows no framework."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from unikeras.backends.base import Backend, Metrics
from unikeras.data.augment import Augmenter
from unikeras.data.dataset import Dataset, Split
from unikeras.data.order import epoch_order
from unikeras.optimizers import Schedule
from unikeras.recorder import Recorder
from unikeras.settings import Settings


def train(backend: Backend, dataset: Dataset, settings: Settings, recorder: Recorder) -> None:
    """Trains `backend` on `dataset`, reporting every step to `recorder`."""
    count = len(dataset.train.y)
    steps_per_epoch = math.ceil(count / settings.batch_size)
    rate = Schedule(settings.schedule, settings.learning_rate, steps_per_epoch * settings.epochs, settings.warmup_steps)
    augment = Augmenter(settings.augment, settings.seed, count, dataset.input_shape)
    stopping = EarlyStopping(settings.early_stopping)
    step = 0
    for epoch in range(1, settings.epochs + 1):
        recorder.begin_epoch(epoch)
        augment.start_epoch(epoch)
        for indices in batches(epoch_order(settings.seed, epoch, count), settings.batch_size):
            images = augment(dataset.train.x[indices], indices)
            backend.train_step(images, dataset.train.y[indices], rate(step))
            step += 1
            if recorder.step_done(step, len(indices)):
                recorder.read(backend.read_metrics(), rate(step - 1))
        test = recorder.end_epoch(lambda: evaluate(backend, dataset.test, settings.batch_size), rate(step - 1))
        if stopping.should_stop(test.loss):
            break


def evaluate(backend: Backend, split: Split, batch_size: int) -> Metrics:
    """Loss and accuracy over a split, in its own order."""
    # Without gradients to keep, four training batches fit where one did.
    for indices in batches(np.arange(len(split.y)), 4 * batch_size):
        part = slice(indices[0], indices[-1] + 1)
        backend.evaluate_step(np.array(split.x[part]), np.array(split.y[part]))
    return backend.read_metrics()


def batches(order: np.ndarray, batch_size: int) -> Iterator[np.ndarray]:
    """Pieces of `order`; the last one may be smaller."""
    for start in range(0, len(order), batch_size):
        yield order[start : start + batch_size]


class EarlyStopping:
    """Says when the test loss has not fallen for `patience` epochs; never, without patience."""

    def __init__(self, patience: int | None) -> None:
        self.patience = patience
        self.best = math.inf
        self.waited = 0

    def should_stop(self, loss: float) -> bool:
        """Counts an epoch that ended with `loss`."""
        self.waited = 0 if loss < self.best else self.waited + 1
        self.best = min(self.best, loss)
        return self.patience is not None and self.waited >= self.patience
