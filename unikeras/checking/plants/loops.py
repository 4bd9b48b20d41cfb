"""Faults in the training loop: order, batches, rates, evaluation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from unikeras.checking.evidence import EPOCHS
from unikeras.checking.plants import plant
from unikeras.checking.plants.patching import wrap

Call = Callable[..., Any]


def change_order(change: Callable[[Call, int, int, int], Any]) -> None:
    """The training loop visits the samples in the order `change(epoch_order, seed, epoch, count)`."""
    from unikeras import training

    wrap(training, "epoch_order", change)


def change_batches(change: Callable[[list[Any]], list[Any]]) -> None:
    """The training loop takes other batches than an epoch has."""
    from unikeras import training

    def batches(original: Call, order: Any, batch_size: int, _first: int) -> list[Any]:
        # All of them: the loop counts steps, so with more or fewer of them it would begin at the wrong one.
        return change(list(original(order, batch_size, 0)))

    wrap(training, "batches", batches)


def change_schedule(change: Callable[[Any, int], float]) -> None:
    """The training loop takes the learning rate `change(schedule, step)`."""
    from unikeras import training

    def make(original: Call, *args: Any) -> Callable[[int], float]:
        schedule = original(*args)
        return lambda step: change(schedule, step)

    wrap(training, "Schedule", make)


@plant(
    "batch-skipped",
    "The second batch of every epoch is left out.",
    backend="native-torch",
    stage="trajectory",
    looks_like="batch is skipped",
)
def batch_skipped() -> None:
    """An iterator is asked once more than it is used, as after resuming."""
    change_batches(lambda pieces: [*pieces[:1], *pieces[2:]])


@plant(
    "batch-taken-twice",
    "The first batch of every epoch is taken twice.",
    backend="torch",
    stage="trajectory",
    looks_like="taken twice",
)
def batch_taken_twice() -> None:
    """A checkpoint that counts the batch it was written after as still to come."""
    change_batches(lambda pieces: [*pieces[:1], *pieces])


@plant(
    "another-order",
    "The samples come in the order of another seed.",
    backend="tensorflow",
    stage="trajectory",
    looks_like="another order",
)
def another_order() -> None:
    """Each framework shuffles with a generator of its own."""
    change_order(lambda original, seed, epoch, count: original(seed + 1, epoch, count))


@plant(
    "same-order-every-epoch",
    "Every epoch has the order of the first.",
    backend="native-tensorflow",
    stage="trajectory",
    looks_like="same order in every epoch",
)
def same_order_every_epoch() -> None:
    """`reshuffle_each_iteration=False`, or a sampler whose `set_epoch` nobody calls."""
    change_order(lambda original, seed, epoch, count: original(seed, 1, count))


@plant(
    "not-shuffled",
    "The samples come in the dataset's own order.",
    backend="native-torch",
    stage="trajectory",
    looks_like="another order",
)
def not_shuffled() -> None:
    """`DataLoader` without `shuffle=True`."""
    change_order(lambda original, seed, epoch, count: np.arange(count))


@plant(
    "training-drops-last-batch",
    "The smaller batch at the end of an epoch is left out.",
    backend="torch",
    stage="trajectory",
    looks_like="last batch",
)
def training_drops_last_batch() -> None:
    """`drop_last=True`."""
    change_batches(lambda pieces: [piece for piece in pieces if len(piece) == len(pieces[0])])


@plant(
    "labels-of-others",
    "Images and labels of a batch don't belong together.",
    backend="native-tensorflow",
    stage="trajectory",
    looks_like="belong to others",
)
def labels_of_others() -> None:
    """Images are shuffled, or shifted by one, and their labels are not."""
    from unikeras.data.augment import Augmenter

    wrap(Augmenter, "__call__", lambda original, *args: np.roll(original(*args), 1, axis=0))


@plant(
    "schedule-one-step-late",
    "Each step takes the learning rate that the step before it should have had.",
    backend="native-torch",
    stage="trajectory",
    looks_like="one step late",
)
def schedule_one_step_late() -> None:
    """`scheduler.step()` at the other end of the loop."""
    change_schedule(lambda schedule, step: schedule(max(step - 1, 0)))


@plant(
    "schedule-per-epoch",
    "The learning rate changes between epochs only.",
    backend="tensorflow",
    stage="trajectory",
    looks_like="learning rate never changes",  # the rate drops within the second of the check's two epochs
)
def schedule_per_epoch() -> None:
    """Schedulers of torch are usually stepped once an epoch, Keras' schedules at every step."""

    def per_epoch(schedule: Any, step: int) -> float:
        steps = schedule.total_steps // EPOCHS
        return float(schedule(step // steps * steps))

    change_schedule(per_epoch)


@plant(
    "evaluation-averages-batches",
    "The evaluation's loss is the mean of the batches' means, so that the smaller last batch weighs too much.",
    backend="native-torch",
    stage="loss",
    looks_like="last batch",
)
def evaluation_averages_batches() -> None:
    """`sum(losses) / len(losses)` over a data loader."""
    from unikeras import training
    from unikeras.backends.base import Metrics
    from unikeras.data.dataset import Split

    def evaluate(original: Call, backend: Any, split: Split, batch_size: int) -> Metrics:
        size = training.evaluation_batch_size(batch_size)
        parts = [Split(split.x[at : at + size], split.y[at : at + size]) for at in range(0, len(split.y), size)]
        found = [original(backend, part, batch_size) for part in parts]
        loss = sum(metrics.loss for metrics in found) / len(found)
        samples = sum(metrics.samples for metrics in found)
        return Metrics(loss * samples, sum(metrics.correct for metrics in found), samples)

    wrap(training, "evaluate", evaluate)


@plant(
    "evaluation-drops-last-batch",
    "The evaluation leaves out the samples of the smaller last batch.",
    backend="torch",
    stage="loss",
    looks_like="last batch",
)
def evaluation_drops_last_batch() -> None:
    """`drop_last=True`, or `len(samples) // batch_size` steps."""
    from unikeras import training
    from unikeras.data.dataset import Split

    def evaluate(original: Call, backend: Any, split: Split, batch_size: int) -> Any:
        size = training.evaluation_batch_size(batch_size)
        whole = len(split.y) // size * size
        return original(backend, Split(split.x[:whole], split.y[:whole]), batch_size)

    wrap(training, "evaluate", evaluate)


@plant(
    "step-taken-twice",
    "Each batch is trained on twice.",
    backend="native-tensorflow",
    stage="steps",
    looks_like="taken twice",
)
def step_taken_twice() -> None:
    """The step is called to be compiled, and its result is thrown away, but the update has happened."""
    from unikeras.backends._tensorflow import TensorFlowSteps

    def train_step(original: Call, self: Any, *args: Any) -> Any:
        original(self, *args)
        return original(self, *args)

    wrap(TensorFlowSteps, "train_step", train_step)


@plant(
    "statistics-move-twice",
    "Each training step moves the running statistics twice.",
    backend="native-tensorflow",
    stage="steps",
    layer="norm1",
    looks_like="move twice",
)
def statistics_move_twice() -> None:
    """A second forward pass in training mode, for the metrics or for gradient checkpointing."""
    from unikeras.backends._tensorflow import TensorFlowSteps

    def train(original: Call, self: Any, inputs: Any, labels: Any, learning_rate: Any) -> Any:
        self.forward(self._normalized(inputs), training=True)
        return original(self, inputs, labels, learning_rate)

    wrap(TensorFlowSteps, "_train_graph", train)
