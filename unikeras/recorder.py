"""Turns what the training loop reports into rows of metrics.jsonl, progress events and the totals of the result."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, SupportsFloat

import numpy as np

from unikeras.backends.base import Backend, Metrics
from unikeras.events import Emit, EpochEnd, Progress
from unikeras.memory import peak_memory_mb
from unikeras.metrics_file import MetricsFile

EVENT_SECONDS = 0.1  # between two progress events
READ_SECONDS = 1.0  # longest time between two readings of the metrics, for a person who watches


@dataclasses.dataclass
class Step:
    """A step that has been handed to the device.

    Attributes:
        number: Counted from 1.
        indices: The batch: where its samples stand in the training set.
        loss: Of the batch; `float` of it waits for the device.
    """

    number: int
    learning_rate: float
    indices: np.ndarray
    loss: SupportsFloat


class Diverged(Exception):  # noqa: N818 - what follows from it is for `--on-nan` to say
    """A loss is not a finite number, or the weights are not after the step.

    Attributes:
        step: The first such step.
        reason: What is not finite, in words.
    """

    def __init__(self, step: Step, reason: str) -> None:
        super().__init__(reason)
        self.step, self.reason = step, reason


@dataclasses.dataclass
class Books:
    """Sums and times that a checkpoint carries over. The sums of the row that has begun are on the device.

    Attributes:
        epoch_sums: Over the rows of this epoch.
        epoch_seconds: Of this epoch, up to the checkpoint.
        epoch_samples: Taken in these seconds.
        epoch_row: Of the last epoch that has ended; {} before.
    """

    epoch_sums: Metrics = Metrics(0.0, 0, 0)
    epoch_seconds: float = 0.0
    epoch_samples: int = 0
    train_seconds: float = 0.0
    timed_samples: int = 0
    startup_seconds: float = 0.0
    epoch_row: dict[str, Any] = dataclasses.field(default_factory=dict)


STATE_SHAPE = {
    "row_sums": [float, int, int],
    "file": {"bytes": int, "sha256": str},
    "epoch_sums": [float, int, int],
    "epoch_row": dict,
    **dict.fromkeys(("epoch_seconds", "train_seconds", "startup_seconds"), float),
    **dict.fromkeys(("epoch_samples", "timed_samples"), int),
}


class Recorder:
    """Books of one run.

    The sums on the device are read seldom, for each reading waits for the device: at the first step, which ends the start-up, at
    every `log_every` steps, once a second, and at the end of an epoch. They start anew with each row only, so that its figures
    don't depend on when a person looked.

    Args:
        path: metrics.jsonl, which gets a row per logged step and per epoch.
        launched_at: time.monotonic(), which all processes of a machine share, when the worker was launched; the start-up ends
            with the first step.
    """

    def __init__(
        self, backend: Backend, path: Path, emit: Emit, steps_per_epoch: int, log_every: int, launched_at: float
    ) -> None:
        self.backend, self.file, self.emit = backend, MetricsFile(path), emit
        self.steps_per_epoch, self.log_every, self.launched_at = steps_per_epoch, log_every, launched_at
        self.books = Books()
        self.recent: list[Step] = []  # since the last reading
        self.epoch = self.step = 0
        self.learning_rate = 0.0
        self.is_warm = False
        self.known = Metrics(0.0, 0, 0)  # of this epoch, at the last reading
        self.last_event = self.last_read = 0.0

    def begin_epoch(self, epoch: int) -> None:
        """An epoch starts or, after a resume, goes on; its clock runs until `end_epoch`."""
        self.epoch = epoch
        self.known = self.books.epoch_sums
        self.epoch_started = time.perf_counter() - self.books.epoch_seconds

    def step_done(self, step: Step) -> None:
        """A step has been handed to the device.

        Raises:
            Diverged: this step, or one since the last reading, had no finite loss.
        """
        self.recent.append(step)
        self.step, self.learning_rate = step.number, step.learning_rate
        self.books.epoch_samples += len(step.indices)
        now = time.perf_counter()
        if now - self.last_event >= EVENT_SECONDS:
            self.last_event = now
            self._report_progress(now)
        if not self.is_warm or self._row_is_due() or now - self.last_read >= READ_SECONDS:
            self._read()

    def step_skipped(self, step: int, learning_rate: float, samples: int) -> None:
        """A batch has been left out, which gets a row of its own."""
        self.step, self.learning_rate = step, learning_rate
        self.file.append({"kind": "skipped", **self._position(), "samples": samples})
        if self._row_is_due():
            self._read()

    def end_epoch(self, evaluate: Callable[[], Metrics]) -> Metrics:
        """Stops the epoch's clock, evaluates, writes the epoch's row and returns the test metrics."""
        books = self.books
        seconds = time.perf_counter() - self.epoch_started
        started = time.perf_counter()
        test = evaluate()
        row = {
            "kind": "epoch",
            **self._position(),
            "train_loss": books.epoch_sums.loss,
            "train_accuracy": books.epoch_sums.accuracy,
            "test_loss": test.loss,
            "test_accuracy": test.accuracy,
            "train_seconds": seconds,
            "test_seconds": time.perf_counter() - started,
            "images_per_second": _rate(books.epoch_samples, seconds),
            "peak_memory_mb": peak_memory_mb(),
        }
        self.file.append(row)
        self.emit(EpochEnd(row))
        self.books = Books(
            train_seconds=books.train_seconds + seconds,
            timed_samples=books.timed_samples + books.epoch_samples,
            startup_seconds=books.startup_seconds,
            epoch_row=row,
        )
        return test

    def note(self, row: dict[str, Any]) -> None:
        """Writes a row about something that is not a step."""
        self.file.append(row)

    def state(self) -> dict[str, Any]:
        """What a checkpoint needs so that each row comes out once and as in an unbroken run; JSON values.

        Raises:
            Diverged: a loss was not finite.
        """
        sums = self._peek()
        if self.books.epoch_samples:
            self.books.epoch_seconds = time.perf_counter() - self.epoch_started
        return {"row_sums": list(sums), "file": self.file.position(), **dataclasses.asdict(self.books)}

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on from what `state` returned; rows written since are removed."""
        fields = dict(state)
        self.file.cut(fields.pop("file"))
        self.backend.load_metrics(Metrics(*fields.pop("row_sums")))
        self.books = Books(**{**fields, "epoch_sums": Metrics(*fields["epoch_sums"])})
        self.recent.clear()

    def close(self) -> dict[str, Any]:
        """Ends the books; the totals, for result.json. Times are in seconds, memory in MB (10⁶ bytes)."""
        self.file.close()
        books = self.books
        return {
            "epochs": books.epoch_row["epoch"],
            "steps": books.epoch_row["step"],
            "train_loss": books.epoch_row["train_loss"],
            "train_accuracy": books.epoch_row["train_accuracy"],
            "test_loss": books.epoch_row["test_loss"],
            "test_accuracy": books.epoch_row["test_accuracy"],
            "images_per_second": _rate(books.timed_samples, books.train_seconds),
            "train_seconds": books.train_seconds,
            "startup_seconds": books.startup_seconds,
            "peak_memory_mb": peak_memory_mb(),
        }

    def _read(self) -> None:
        """Takes the sums since the last row, and writes one if it is due."""
        sums = self._peek()
        self.last_read = time.perf_counter()
        self.known = _add(self.books.epoch_sums, sums)
        if not self.is_warm and self.recent:
            self._end_startup()
        if self._row_is_due():
            self.backend.load_metrics(Metrics(0.0, 0, 0))
            self.books.epoch_sums = self.known
            if sums.samples:
                self.file.append({"kind": "step", **self._position(), "loss": sums.loss, "accuracy": sums.accuracy})

    def _peek(self) -> Metrics:
        """The sums since the last row, which stay on the device."""
        sums = self.backend.read_metrics()
        if not math.isfinite(sums.loss_sum):
            step = next((step for step in self.recent if not math.isfinite(float(step.loss))), self.recent[-1])
            raise Diverged(step, f"The loss became {float(step.loss)}")
        self.backend.load_metrics(sums)
        del self.recent[:-1]
        return sums

    def _end_startup(self) -> None:
        """The first step compiles: it belongs to the start-up, and the clock of steady training starts after it."""
        self.is_warm = True
        self.books.startup_seconds += time.monotonic() - self.launched_at
        self.epoch_started = time.perf_counter() - self.books.epoch_seconds
        self.books.epoch_samples -= len(self.recent[-1].indices)

    def _row_is_due(self) -> bool:
        return self.step % self.log_every == 0 or self.step % self.steps_per_epoch == 0

    def _position(self) -> dict[str, Any]:
        return {"epoch": self.epoch, "step": self.step, "learning_rate": self.learning_rate}

    def _report_progress(self, now: float) -> None:
        known = self.known.samples > 0
        self.emit(
            Progress(
                self.epoch,
                self.step - (self.epoch - 1) * self.steps_per_epoch,
                _rate(self.books.epoch_samples, now - self.epoch_started),
                self.known.loss if known else None,
                self.known.accuracy if known else None,
            )
        )


def _add(first: Metrics, second: Metrics) -> Metrics:
    return Metrics(first.loss_sum + second.loss_sum, first.correct + second.correct, first.samples + second.samples)


def _rate(samples: int, seconds: float) -> float:
    return samples / seconds if seconds > 0 else 0.0
