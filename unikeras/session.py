"""Keeps one run safe, worker side: saves it, goes on from what was saved, stops when asked, acts on a loss that is no number."""

from __future__ import annotations

import dataclasses
import math
import time
from pathlib import Path
from typing import Any

import numpy as np

from unikeras import checkpoint, metrics_file, run, stopping, training, weights
from unikeras.backends.base import Backend
from unikeras.checkpoint import Checkpoint
from unikeras.data.dataset import Dataset
from unikeras.errors import ModelError, WorkerError
from unikeras.events import Emit, Notice, Resumed, Saved
from unikeras.faults import reach
from unikeras.history import CURE
from unikeras.interval import Interval
from unikeras.recorder import Diverged, Recorder
from unikeras.settings import Settings
from unikeras.training import Position

MAX_ROLLBACKS = 5  # from one checkpoint, which makes the learning rate 1/32: what still diverges then has another cause


class Session:
    """One process' part of a run.

    Attributes:
        position: Where training is.
    """

    def __init__(self, backend: Backend, settings: Settings, folder: Path, recorder: Recorder, emit: Emit) -> None:
        self.backend, self.settings, self.folder, self.recorder, self.emit = backend, settings, folder, recorder, emit
        self.checkpoints = folder / run.CHECKPOINTS
        self.interval = Interval.parse(settings.checkpoint_every)
        self.position = Position()
        self.saved = (0, -1)  # epoch and step
        self.saved_at = time.monotonic()
        self.rollbacks = 0  # from the newest checkpoint

    def load_newest(self) -> bool:
        """Goes to the newest checkpoint that is intact; false if the run has none yet.

        Raises:
            ModelError: it doesn't fit the model.
            RunError: there are checkpoints, and none can be used.
        """
        found, passed_over = checkpoint.find(self.checkpoints, self._mismatch)
        for damage in passed_over:
            self.emit(Notice(f"damaged checkpoint passed over: {damage}"))
        if found is None:
            self.recorder.file.cut(metrics_file.START)
            return False
        self._load(found)
        self.position = _position_in(found.state)
        reach("resume.loaded")
        return True

    def go_on(self) -> None:
        """Cuts the run's files back to the checkpoint that `load_newest` found."""
        self._rewind(self.position.rate_scale, self.position.skipped)
        self.emit(Resumed(self.position.epoch, self.position.step))
        reach("resume.ready")

    def train(self, dataset: Dataset) -> None:
        """Trains to the end, saving on the way.

        Raises:
            StopRequested: the parent asked for it, and everything is saved.
            WorkerError: the loss is no number, and `on_nan` has no answer to it.
            OSError: the disk doesn't take a row or a checkpoint.
        """
        for kind in self.backend.unsaved_randomness():
            self.emit(Notice(f"the model draws random numbers by {kind}, which no checkpoint can hold: resumed, it draws others"))
        while True:
            try:
                self.save()
                training.train(self.backend, dataset, self.settings, self.recorder, self.position, self)
                return self.save()
            except Diverged as divergence:
                self._recover(divergence)

    def after_step(self) -> None:
        if self._is_due() or stopping.requested.is_set():
            self.save()
        self._stop_if_asked()

    def after_epoch(self) -> None:
        count, unit = self.interval.count, self.interval.unit
        ended = unit == "epochs" and (self.position.epoch - 1) % count == 0
        if ended or self._is_due() or stopping.requested.is_set():
            self.save()
        self._stop_if_asked()

    def save(self) -> None:
        """Commits a checkpoint, unless the newest is of this very moment.

        Raises:
            Diverged: there is nothing finite to save.
            OSError: the disk doesn't take it.
        """
        position = self.position
        if self.saved == (position.epoch, position.step):
            return
        state = self._state()
        content = Checkpoint(self._finite_weights(), self.backend.optimizer_state(), self.backend.random_state(), state)
        checkpoint.save(self.checkpoints, content)
        self.saved, self.saved_at, self.rollbacks = (position.epoch, position.step), time.monotonic(), 0
        self.emit(Saved(position.epoch, position.step))

    def _is_due(self) -> bool:
        count = self.interval.count
        if self.interval.unit == "seconds":
            return time.monotonic() - self.saved_at >= count
        return self.interval.unit == "steps" and self.position.step % count == 0

    def _stop_if_asked(self) -> None:
        if stopping.requested.is_set():
            raise stopping.StopRequested(self.position.epoch, self.position.step)

    def _state(self) -> dict[str, Any]:
        fields = dataclasses.asdict(self.position)
        loss = self.position.test_loss
        fields["test_loss"] = loss if loss is not None and math.isfinite(loss) else None
        return {"backend": self.settings.backend, **fields, "recorder": self.recorder.state()}

    def _finite_weights(self) -> weights.Weights:
        """The weights; a checkpoint is never made of what has diverged.

        Raises:
            Diverged: a parameter is not a finite number.
        """
        values = self.backend.weights()
        for name in self.backend.trainable_names():
            if self.recorder.recent and not np.isfinite(values[name]).all():
                raise Diverged(self.recorder.recent[-1], f"{name} is no longer finite")
        return values

    def _mismatch(self, found: Checkpoint) -> str | None:
        return metrics_file.mismatch(self.folder / run.METRICS, found.state["recorder"]["file"])

    def _load(self, found: Checkpoint) -> None:
        """Gives the backend a checkpoint's state, and looks whether it has arrived."""
        try:
            self.backend.load_weights(found.weights)
            self.backend.load_optimizer_state(found.slots)
            if found.state["backend"] == self.settings.backend:
                self.backend.load_random_state(found.random)
        except ModelError as error:
            step = found.state["step"]
            raise ModelError(f"The checkpoint after step {step} is of another model. {error.message}", cure=CURE) from error
        for sent, arrived in ((found.weights, self.backend.weights()), (found.slots, self.backend.optimizer_state())):
            if weights.digest(sent) != weights.digest(arrived):
                raise WorkerError(f"The backend {self.settings.backend} did not take the checkpoint's state to the bit.")
        self.loaded = found
        self.saved = (found.state["epoch"], found.state["step"])

    def _rewind(self, rate_scale: float, skipped: list[int]) -> None:
        """Brings the rows and the position to the loaded checkpoint."""
        self.recorder.restore(self.loaded.state["recorder"])
        self.position = dataclasses.replace(_position_in(self.loaded.state), rate_scale=rate_scale, skipped=skipped)

    def _recover(self, divergence: Diverged) -> None:
        """Goes back to the last checkpoint, and does what `on_nan` says."""
        step, policy = divergence.step.number, self.settings.on_nan
        skipped, rate_scale = self.position.skipped, self.position.rate_scale
        run.write_json(self.folder / run.DIVERGENCE, self._evidence(divergence))
        if policy == "stop":
            raise self._failure(divergence, "")
        if policy == "skip" and {step - 1, step} & set(skipped):
            raise self._failure(divergence, " The batch before was left out already: it is not the batch.")
        if policy == "rollback" and self.rollbacks == MAX_ROLLBACKS:
            raise self._failure(divergence, f" The learning rate was halved {MAX_ROLLBACKS} times already.")
        if policy == "skip":
            skipped = [*skipped, step]
        else:
            rate_scale /= 2
            self.rollbacks += 1
        found, _ = checkpoint.find(self.checkpoints, self._mismatch)
        assert found is not None, "training begins with a checkpoint"
        self._load(found)
        self._rewind(rate_scale, skipped)
        action = "without that batch" if policy == "skip" else f"at {rate_scale:g} of the learning rate"
        if policy == "rollback":
            self.recorder.note({"kind": "rollback", "step": self.position.step, "diverged_at": step, "rate_scale": rate_scale})
        self.emit(Notice(f"{divergence.reason} at step {step}; goes on from step {self.position.step} {action}"))

    def _evidence(self, divergence: Diverged) -> dict[str, Any]:
        step = divergence.step
        return {
            "reason": divergence.reason,
            "epoch": self.recorder.epoch,
            "step": step.number,
            "learning_rate": step.learning_rate,
            "indices": step.indices.tolist(),
        }

    def _failure(self, divergence: Diverged, why_not: str) -> WorkerError:
        step = divergence.step
        first = ", ".join(map(str, step.indices[:8].tolist()))
        batch = f"{first}, … ({len(step.indices)} in all)" if len(step.indices) > 8 else first
        return WorkerError(
            f"{divergence.reason} at step {step.number} (epoch {self.recorder.epoch}, learning rate {step.learning_rate:g}; "
            f"training samples {batch}).{why_not}",
            cure=f"The checkpoint after step {self.saved[1]} is intact; {self.folder / run.DIVERGENCE} lists the batch. "
            f"`unikeras resume {self.folder}` with --on-nan skip leaves the batch out, with --on-nan rollback it halves the "
            "rate. Or train anew with a smaller --learning-rate, --clip-norm 1 or --warmup-steps; check the data's range.",
        )


def _position_in(state: dict[str, Any]) -> Position:
    return Position(**{field.name: state[field.name] for field in dataclasses.fields(Position)})
