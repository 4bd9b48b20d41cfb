"""Keeps one run safe, worker side: saves it, goes on from what was saved, stops when asked, acts on a loss that is no number."""

from __future__ import annotations

import dataclasses
import math
import time
from pathlib import Path
from typing import Any

import numpy as np

from unikeras import checkpoint, divergence, metrics_file, recorder, run, shapes, stopping, training, weights
from unikeras.backends.base import Backend
from unikeras.checkpoint import Checkpoint
from unikeras.data.dataset import Dataset
from unikeras.errors import ModelError, RunError, WorkerError
from unikeras.events import Emit, Notice, Resumed, Rewound, Saved
from unikeras.faults import reach
from unikeras.history import CURE
from unikeras.interval import Interval
from unikeras.recorder import Diverged, Recorder
from unikeras.settings import Settings
from unikeras.training import Position

STATE_SHAPE = {
    "backend": str,
    "epoch": int,
    "step": int,
    "best": float,
    "waited": int,
    "test_loss": (float, None),
    "skipped": [int],
    "rate_scale": float,
    "recorder": recorder.STATE_SHAPE,
}
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
        self.emit(Resumed(self.position.epoch, self.position.step, self.position.best))
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
            except Diverged as diverged:
                self._recover(diverged, dataset)

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
        fault = shapes.fault(found.state, STATE_SHAPE, "state")
        if fault:
            return f"in state.json {fault}"
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

    def _recover(self, diverged: Diverged, dataset: Dataset) -> None:
        """Goes back to the last checkpoint, and does what `on_nan` says.

        Raises:
            WorkerError: it has no answer.
        """
        step, policy = diverged.step.number, self.settings.on_nan
        skipped, rate_scale = self.position.skipped, self.position.rate_scale
        run.write_json(self.folder / run.DIVERGENCE, divergence.evidence(diverged, self.recorder.epoch, None))
        why_final = self._why_final(step)
        if why_final is not None:
            raise self._failure(diverged, dataset, why_final)
        if policy == "skip":
            skipped = [*skipped, step]
        else:
            rate_scale /= 2
            self.rollbacks += 1
        self._load(self._newest())
        self._rewind(rate_scale, skipped)
        self.emit(Rewound())
        action = "without that batch" if policy == "skip" else f"at {rate_scale:g} of the learning rate"
        if policy == "rollback":
            self.recorder.note({"kind": "rollback", "step": self.position.step, "diverged_at": step, "rate_scale": rate_scale})
        self.emit(Notice(f"{diverged.reason} at step {step}; goes on from step {self.position.step} {action}"))

    def _why_final(self, step: int) -> str | None:
        """Why training ends with `step`, as an addition to the message; None if it does not."""
        policy = self.settings.on_nan
        if policy == "skip" and {step - 1, step} & set(self.position.skipped):
            return " The batch before was left out already: it is not the batch."
        if policy == "rollback" and self.rollbacks == MAX_ROLLBACKS:
            return f" The learning rate was halved {MAX_ROLLBACKS} times already."
        return "" if policy == "stop" else None

    def _failure(self, diverged: Diverged, dataset: Dataset, why_final: str) -> WorkerError:
        epoch = self.recorder.epoch
        gradient = self._gradient_at(diverged, dataset)
        run.write_json(self.folder / run.DIVERGENCE, divergence.evidence(diverged, epoch, gradient))
        return divergence.failure(diverged, epoch, gradient, why_final, self.folder, self.saved[1])

    def _gradient_at(self, diverged: Diverged, dataset: Dataset) -> divergence.Gradient | None:
        """The gradient of the step that failed; None if it can't be found. Nobody needs the backend's state any more."""
        try:
            self._load(self._newest())
        except RunError:
            return None
        start = dataclasses.replace(
            _position_in(self.loaded.state), rate_scale=self.position.rate_scale, skipped=self.position.skipped
        )
        between = diverged.step.number - 1 - start.step
        if between:
            again = f"{between} step{'s' if between > 1 else ''} since the last checkpoint"
            self.emit(Notice(f"{diverged.reason} at step {diverged.step.number}; its gradient is found by repeating the {again}"))
        return divergence.gradient_at(diverged.step, self.backend, dataset, self.settings, start)

    def _newest(self) -> Checkpoint:
        found, _ = checkpoint.find(self.checkpoints, self._mismatch)
        if found is None:  # training begins with a checkpoint
            raise RunError(f"The checkpoints in {self.checkpoints} have been removed while the run was training.")
        return found


def _position_in(state: dict[str, Any]) -> Position:
    return Position(**{field.name: state[field.name] for field in dataclasses.fields(Position)})
