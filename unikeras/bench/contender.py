"""What contenders have in common, and the job that runs one of them."""

from __future__ import annotations

import abc
import contextlib
import dataclasses
import importlib
import time
from pathlib import Path
from typing import Any

from unikeras.bench import choosing
from unikeras.bench.turns import Over, StepCounter, Turns
from unikeras.bench.workload import Workload
from unikeras.data.dataset import Dataset, Split
from unikeras.errors import DataError
from unikeras.events import Contending, Emit
from unikeras.memory import peak_memory_mb
from unikeras.settings import validate

LOSSES = 3  # steps whose losses are compared before anything is timed
EVALUATIONS = 3  # passes; the first one compiles and is not counted


class Contender(abc.ABC):
    """One way to train a workload.

    Attributes:
        workload: What it trains.
        variant: The choice among its own settings that it made, in words; "" if it has none.
    """

    workload: Workload
    variant: str = ""

    @abc.abstractmethod
    def __init__(self, workload: Workload, emit: Emit) -> None:
        """Builds the model with the workload's initial weights."""

    @abc.abstractmethod
    def step(self, inputs: Any, labels: Any) -> float:
        """A step on a batch of uint8 samples, for its loss."""

    @abc.abstractmethod
    def evaluate(self, split: Split) -> float:
        """A pass over samples in inference mode, with loss and accuracy; waits for its end and gives the accuracy."""

    def test_accuracy(self) -> float:
        """At the end of an epoch."""
        return self.evaluate(self.workload.data.test)

    @abc.abstractmethod
    def wait(self) -> None:
        """Until the device has nothing left to do."""

    @abc.abstractmethod
    def train(self, turns: StepCounter) -> None:
        """Trains as its users do, in random order over all samples again and again, until there are no more turns."""


def contend(emit: Emit, module: str, settings: dict[str, Any], dataset: str, folder: str, launched_at: float) -> dict[str, float]:
    """Runs the contender of `unikeras.bench.MODULE`; returns its peak memory and the samples of an epoch.

    Reports `Contending` when it is ready to race, and a `Block` after each turn.
    """
    contender, seconds, losses = start(emit, module, settings, dataset, folder, launched_at)
    data = contender.workload.data
    emit(Contending(contender.variant, seconds, losses, _evaluation_rate(contender, data.train)))
    turns = Turns(emit, contender.wait)
    with contextlib.suppress(Over):
        turns.begin()
        contender.train(turns)
    return {"peak_memory_mb": peak_memory_mb(), "epoch_samples": len(data.train.y)}


def start(
    emit: Emit, module: str, settings: dict[str, Any], dataset: str, folder: str, launched_at: float
) -> tuple[Contender, dict[str, float], list[float]]:
    """A contender after its first steps, how long the parts of its start took (choosing apart), and the losses of those steps."""
    chosen = validate(settings, {})
    contender_class: type[Contender] = importlib.import_module(f"unikeras.bench.{module}").load(chosen.backend)
    imported = time.monotonic() - launched_at
    workload = Workload(chosen, whole_batches(Dataset.open(Path(dataset)), chosen.batch_size), Path(folder))
    started = choosing.clock()
    contender = contender_class(workload, emit)
    built = choosing.clock()
    losses, first_step = [], 0.0
    for inputs, labels in workload.first_batches(LOSSES):
        losses.append(contender.step(inputs, labels))
        first_step = first_step or choosing.clock() - built
    return contender, {"import": imported, "build": built - started, "first_step": first_step}, losses


def whole_batches(data: Dataset, batch_size: int) -> Dataset:
    """The dataset without its last, smaller batch, so that every step of every contender has as many images.

    Raises:
        DataError: there are too few for the first losses.
    """
    count = len(data.train.y) // batch_size * batch_size
    if count < LOSSES * batch_size:
        raise DataError(
            f"{data.name} has {len(data.train.y)} training samples, too few to race with --batch-size {batch_size}.",
            cure=f"At least {LOSSES} batches are needed: a smaller --batch-size or a larger --dataset.",
        )
    return dataclasses.replace(data, train=Split(data.train.x[:count], data.train.y[:count]))


def _evaluation_rate(contender: Contender, split: Split) -> float:
    """Images a second, the best of some passes."""
    contender.evaluate(split)
    rates = []
    for _ in range(EVALUATIONS - 1):
        started = time.perf_counter()
        contender.evaluate(split)
        rates.append(len(split.y) / (time.perf_counter() - started))
    return max(rates)
