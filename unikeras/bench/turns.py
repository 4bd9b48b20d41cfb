"""How contenders take turns: all processes live side by side, and only the one whose turn it is computes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from unikeras import orders
from unikeras.events import Block, Emit


class Over(Exception):  # noqa: N818 - nothing went wrong
    """There are no more turns."""


class StepCounter(Protocol):
    """Is told of every step, and ends the training by raising `Over`."""

    def step_done(self, images: int, steps: int = 1) -> None: ...


class Turns:
    """The turns of one contender, which calls `step_done` after every step and notices nothing else.

    Args:
        wait: Waits until the device has done everything that was handed to it.
    """

    def __init__(self, emit: Emit, wait: Callable[[], object]) -> None:
        self._emit, self._wait = emit, wait
        self._left = 0
        self._images = 0
        self._started = 0.0

    def begin(self) -> None:
        """Waits for the first turn.

        Raises:
            Over: there is none.
        """
        self._await()

    def step_done(self, images: int, steps: int = 1) -> None:
        """Steps have been handed to the device; at the end of the turn, waits for them, reports, and waits for the next turn.

        Raises:
            Over: there is no next turn.
        """
        self._left -= steps
        self._images += images
        if self._left <= 0:
            self._wait()
            self._emit(Block(time.perf_counter() - self._started, self._images))
            self._await()

    def _await(self) -> None:
        order = orders.received.get()  # for as long as it takes: without its parent the process ends
        if order == "end":
            raise Over
        self._left, self._images = int(order), 0
        self._started = time.perf_counter()
