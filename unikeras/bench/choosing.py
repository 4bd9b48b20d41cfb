"""Which of its own settings a contender races with: each is tried for a moment, and the fastest is taken."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

WARM_UP = 2

Choice = TypeVar("Choice")

_spent = 0.0


def fastest(choices: Sequence[Choice], start: Callable[[Choice], Callable[[], object]], trials: int) -> Choice:
    """The choice with the lowest median time of a step.

    Args:
        start: Prepares a choice and returns what takes one step and waits for it.
    """
    global _spent
    if len(choices) == 1:
        return choices[0]
    started = time.perf_counter()
    chosen = min(choices, key=lambda choice: _median_seconds(start(choice), trials))
    _spent += time.perf_counter() - started
    return chosen


def clock() -> float:
    """`time.monotonic()` less the seconds that this process has spent on choosing: its users choose once and train often."""
    return time.monotonic() - _spent


def _median_seconds(step: Callable[[], object], trials: int) -> float:
    for _ in range(WARM_UP):
        step()
    seconds = []
    for _ in range(trials):
        started = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)
