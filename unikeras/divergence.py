"""What is known of a step whose loss is no number: its learning rate, its batch and, as it is come to once more, its gradient."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from unikeras import run, stopping, training
from unikeras.backends.base import Backend, Metrics
from unikeras.data.dataset import Dataset
from unikeras.errors import WorkerError
from unikeras.recorder import Diverged, Step
from unikeras.settings import Settings
from unikeras.training import Position
from unikeras.weights import Weights


@dataclasses.dataclass(frozen=True)
class Gradient:
    """Of the batch's mean loss, before any clipping.

    Attributes:
        norm: √Σg² over all parameters; inf or nan where a value is.
        not_finite: The parameters in whose gradient one is, in the model's order.
    """

    norm: float
    not_finite: list[str]

    @staticmethod
    def of(gradients: Weights) -> Gradient:
        """The gradient that `Backend.gradients` gives."""
        squares = sum(float(np.square(values, dtype=np.float64).sum()) for values in gradients.values())
        return Gradient(math.sqrt(squares), [name for name, values in gradients.items() if not np.isfinite(values).all()])

    def __str__(self) -> str:
        if not self.not_finite:
            return f"gradient norm {self.norm:.4g}"
        return f"gradient norm {self.norm}: not finite in {_listed(self.not_finite, 2)}"


def gradient_at(step: Step, backend: Backend, dataset: Dataset, settings: Settings, position: Position) -> Gradient | None:
    """The gradient from which `step` was made, found by taking the steps before it again; nothing is recorded.

    Args:
        backend: In the state of `position`, from which it came to `step` before.

    Returns:
        None if the person asks to stop on the way, or if the step's loss is another the second time.
    """
    repetition = _Repetition(backend, position, step.number - 1)
    try:
        if position.step < step.number - 1:
            training.train(backend, dataset, settings, repetition, position, repetition)
    except _Arrived:
        pass
    if stopping.requested.is_set():
        return None
    epoch = (step.number - 1) // math.ceil(len(dataset.train.y) / settings.batch_size) + 1
    loss, gradients = backend.gradients(*training.batch(dataset, training.augmenter(dataset, settings, epoch), step.indices))
    return Gradient.of(gradients) if math.isfinite(loss) == math.isfinite(float(step.loss)) else None


def evidence(divergence: Diverged, epoch: int, gradient: Gradient | None) -> dict[str, Any]:
    """divergence.json. The norm is a text where it is not finite, for JSON has no such numbers."""
    step = divergence.step
    norm = None if gradient is None else gradient.norm if math.isfinite(gradient.norm) else str(gradient.norm)
    return {
        "reason": divergence.reason,
        "epoch": epoch,
        "step": step.number,
        "learning_rate": step.learning_rate,
        "gradient_norm": norm,
        "gradient_not_finite": gradient.not_finite if gradient else [],
        "indices": step.indices.tolist(),
    }


def failure(
    divergence: Diverged, epoch: int, gradient: Gradient | None, why_final: str, folder: Path, saved_step: int
) -> WorkerError:
    """The error that ends the training."""
    step = divergence.step
    return WorkerError(
        f"{divergence.reason} at step {step.number} (epoch {epoch}, learning rate {step.learning_rate:g}, "
        f"{gradient or 'gradient norm unknown'}; training samples {_listed(step.indices.tolist(), 8)}).{why_final}",
        cure=f"The checkpoint after step {saved_step} is intact; {folder / run.DIVERGENCE} lists the batch. "
        f"`unikeras resume {folder}` with --on-nan skip leaves the batch out, with --on-nan rollback it halves the "
        "rate. Or train anew with a smaller --learning-rate, --clip-norm 1 or --warmup-steps; check the data's range.",
    )


class _Arrived(Exception):  # noqa: N818 - the way out of the loop
    """The next step is the one that was looked for."""


class _Repetition:
    """Recorder and keeper of a training that was done before: it keeps nothing, and ends after the step `last`."""

    def __init__(self, backend: Backend, position: Position, last: int) -> None:
        self.backend, self.position, self.last = backend, position, last

    def begin_epoch(self, epoch: int) -> None:
        pass

    def step_done(self, step: Step) -> None:
        pass

    def step_skipped(self, step: int, learning_rate: float, samples: int) -> None:
        pass

    def end_epoch(self, evaluate: Callable[[], Metrics]) -> Metrics:
        self.backend.read_metrics()  # those of the training must not count for the test set
        return evaluate()

    def after_step(self) -> None:
        if self.position.step == self.last or stopping.requested.is_set():
            raise _Arrived

    def after_epoch(self) -> None:
        self.after_step()


def _listed(values: list[Any], shown: int) -> str:
    first = ", ".join(map(str, values[:shown]))
    return f"{first}, … ({len(values)} in all)" if len(values) > shown else first
