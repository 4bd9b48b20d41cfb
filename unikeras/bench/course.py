"""The job that runs one contender until its test accuracy is reached, against the clock."""

from __future__ import annotations

import contextlib
from typing import Any

from unikeras.bench import choosing
from unikeras.bench.contender import Contender, start
from unikeras.bench.turns import Over
from unikeras.events import Emit


class Course:
    """In place of `Turns`: looks at the test accuracy after each epoch.

    Attributes:
        epochs: That have ended.
        accuracy: After the last of them.
    """

    def __init__(self, contender: Contender, target: float, most_epochs: int) -> None:
        self._contender, self._target, self._most_epochs = contender, target, most_epochs
        self._images = 0
        self.epochs, self.accuracy = 0, 0.0

    def step_done(self, images: int, steps: int = 1) -> None:
        """Steps have been handed to the device.

        Raises:
            Over: the accuracy is reached, or there are no more epochs.
        """
        self._images += images
        if self._images < len(self._contender.workload.data.train.y):
            return
        self._images = 0
        self.epochs += 1
        self.accuracy = self._contender.test_accuracy()
        if self.accuracy >= self._target or self.epochs == self._most_epochs:
            raise Over


def run(
    emit: Emit,
    module: str,
    settings: dict[str, Any],
    dataset: str,
    folder: str,
    launched_at: float,
    target: float,
    most_epochs: int,
) -> dict[str, Any]:
    """Trains the contender of `unikeras.bench.MODULE` until `target`, for `most_epochs` at most.

    Returns:
        `seconds` since the process was launched, without those in which the contender chose its variant; `epochs` and `accuracy`
        at the end; its `variant`; `losses` of its first steps.
    """
    contender, _, losses = start(emit, module, settings, dataset, folder, launched_at)
    course = Course(contender, target, most_epochs)
    with contextlib.suppress(Over):
        contender.train(course)
    return {
        "seconds": choosing.clock() - launched_at,
        "epochs": course.epochs,
        "accuracy": course.accuracy,
        "reached": course.accuracy >= target,
        "variant": contender.variant,
        "losses": losses,
    }
