"""How a contender chooses among its own settings, and that the clock of a race stands still meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from unikeras.bench import choosing

SECONDS = {"slow": 0.02, "fast": 0.005, "slow at first": 0.001}


def stepper(started: list[str]) -> Callable[[str], Callable[[], None]]:
    """Prepares a choice, which takes 0.1 s, as compiling would, that are no part of its steps."""

    def start(choice: str) -> Callable[[], None]:
        started.append(choice)
        time.sleep(0.1)
        steps = iter([0.05] * choosing.WARM_UP if choice == "slow at first" else [])
        return lambda: time.sleep(next(steps, SECONDS[choice]))

    return start


@pytest.mark.parametrize(("choices", "best"), [(["slow", "fast"], "fast"), (["slow", "fast", "slow at first"], "slow at first")])
def test_the_choice_with_the_fastest_steps_is_taken_and_its_preparation_does_not_count(choices: list[str], best: str) -> None:
    started: list[str] = []
    assert choosing.fastest(choices, stepper(started), trials=5) == best
    assert started == choices


def test_a_single_choice_is_not_tried() -> None:
    started: list[str] = []
    assert choosing.fastest(["slow"], stepper(started), trials=5) == "slow"
    assert started == []


def test_the_clock_stands_still_while_a_choice_is_made() -> None:
    """By bounds that hold however late a busy machine reads its clocks: each of ours is read between two of the system's."""
    steps = choosing.WARM_UP + 5
    slept = 2 * 0.1 + steps * (SECONDS["slow"] + SECONDS["fast"])
    first, before = time.monotonic(), choosing.clock()
    choosing.fastest(["slow", "fast"], stepper([]), trials=5)
    ended = time.monotonic()
    time.sleep(0.05)
    late, after, last = time.monotonic(), choosing.clock(), time.monotonic()
    assert late - ended <= after - before <= last - first - slept
