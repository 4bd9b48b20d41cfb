"""Turns what the training loop reports into rows of metrics.jsonl, progress events and the totals of the result."""

from __future__ import annotations

import json
import math
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from unikeras.backends.base import Metrics
from unikeras.errors import WorkerError
from unikeras.events import Emit, EpochEnd, Progress

EVENT_SECONDS = 0.1  # between two progress events
READ_SECONDS = 1.0  # longest time between two readings of the metrics, for a person who watches


class Recorder:
    """Books of one run.

    The sums on the device are read seldom, for each reading waits for the device: at the first step, which ends the start-up, at
    every `log_every` steps, once a second, and at the end of an epoch.

    Args:
        path: metrics.jsonl, which gets a row per logged step and per epoch.
        launched_at: time.time() when the worker was launched; the start-up ends with the first step.
    """

    def __init__(self, path: Path, emit: Emit, steps_per_epoch: int, log_every: int, launched_at: float) -> None:
        self.file = path.open("w", encoding="utf-8")
        self.emit, self.steps_per_epoch, self.log_every, self.launched_at = emit, steps_per_epoch, log_every, launched_at
        self.startup_seconds = self.train_seconds = 0.0
        self.epoch = self.step = 0
        self.timed_samples = 0
        self.last_event = self.last_read = 0.0
        self.epoch_row: dict[str, Any] = {}

    def begin_epoch(self, epoch: int) -> None:
        """A new epoch starts; its clock runs until `end_epoch`."""
        self.epoch = epoch
        self.epoch_sums = self.row_sums = Metrics(0.0, 0, 0)
        self.epoch_samples = 0
        self.epoch_started = time.perf_counter()

    def step_done(self, step: int, samples: int) -> bool:
        """A step has been handed to the device; true if the metrics are to be read now."""
        self.step = step
        self.epoch_samples += samples
        now = time.perf_counter()
        if now - self.last_event >= EVENT_SECONDS:
            self.last_event = now
            self._report_progress(now)
        return step == 1 or self._row_is_due() or now - self.last_read >= READ_SECONDS

    def read(self, metrics: Metrics, learning_rate: float) -> None:
        """Takes the sums since the last reading; writes a row if one is due.

        Raises:
            WorkerError: the loss is not a finite number.
        """
        self.last_read = time.perf_counter()
        if not math.isfinite(metrics.loss_sum):
            raise WorkerError(
                f"The loss became {metrics.loss_sum} at or shortly before step {self.step} (epoch {self.epoch}, learning rate "
                f"{learning_rate:g}).",
                cure="Try a smaller --learning-rate, --clip-norm 1, or --warmup-steps; check the data's range.",
            )
        self.epoch_sums = _add(self.epoch_sums, metrics)
        self.row_sums = _add(self.row_sums, metrics)
        if self.step == 1:
            # The first step compiles: it belongs to the start-up, and the clock of steady training starts after it.
            self.startup_seconds = time.time() - self.launched_at
            self.epoch_started = time.perf_counter()
            self.epoch_samples = 0
        if self._row_is_due():
            figures = {"loss": self.row_sums.loss, "accuracy": self.row_sums.accuracy}
            self._write({"kind": "step", **self._position(learning_rate), **figures})
            self.row_sums = Metrics(0.0, 0, 0)

    def end_epoch(self, evaluate: Callable[[], Metrics], learning_rate: float) -> Metrics:
        """Stops the epoch's clock, evaluates, writes the epoch's row and returns the test metrics."""
        seconds = time.perf_counter() - self.epoch_started
        self.train_seconds += seconds
        self.timed_samples += self.epoch_samples
        started = time.perf_counter()
        test = evaluate()
        self.epoch_row = {
            "kind": "epoch",
            **self._position(learning_rate),
            "train_loss": self.epoch_sums.loss,
            "train_accuracy": self.epoch_sums.accuracy,
            "test_loss": test.loss,
            "test_accuracy": test.accuracy,
            "train_seconds": seconds,
            "test_seconds": time.perf_counter() - started,
            "images_per_second": _rate(self.epoch_samples, seconds),
        }
        self._write(self.epoch_row)
        self.emit(EpochEnd(self.epoch_row))
        return test

    def close(self) -> dict[str, Any]:
        """Ends the books; the totals, for result.json. Times are in seconds, memory in MB (10⁶ bytes)."""
        self.file.close()
        return {
            "epochs": self.epoch,
            "steps": self.step,
            "train_loss": self.epoch_row["train_loss"],
            "train_accuracy": self.epoch_row["train_accuracy"],
            "test_loss": self.epoch_row["test_loss"],
            "test_accuracy": self.epoch_row["test_accuracy"],
            "images_per_second": _rate(self.timed_samples, self.train_seconds),
            "train_seconds": self.train_seconds,
            "startup_seconds": self.startup_seconds,
            "peak_memory_mb": peak_memory_mb(),
        }

    def _row_is_due(self) -> bool:
        return self.step % self.log_every == 0 or self.step % self.steps_per_epoch == 0

    def _position(self, learning_rate: float) -> dict[str, Any]:
        return {"epoch": self.epoch, "step": self.step, "learning_rate": learning_rate}

    def _write(self, row: dict[str, Any]) -> None:
        self.file.write(json.dumps(row) + "\n")
        self.file.flush()

    def _report_progress(self, now: float) -> None:
        known = self.epoch_sums.samples > 0
        self.emit(
            Progress(
                self.epoch,
                self.step - (self.epoch - 1) * self.steps_per_epoch,
                _rate(self.epoch_samples, now - self.epoch_started),
                self.epoch_sums.loss if known else None,
                self.epoch_sums.accuracy if known else None,
            )
        )


def peak_memory_mb() -> float:
    """Largest resident memory of this process so far, mapped pages of the dataset included, in 10⁶ bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def _add(first: Metrics, second: Metrics) -> Metrics:
    return Metrics(first.loss_sum + second.loss_sum, first.correct + second.correct, first.samples + second.samples)


def _rate(samples: int, seconds: float) -> float:
    return samples / seconds if seconds > 0 else 0.0
