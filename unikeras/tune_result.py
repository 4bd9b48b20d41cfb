"""What a search has found, as JSON values: for people, for reports and for the Python API."""

from __future__ import annotations

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True)
class Trial:
    """One training of a search.

    Attributes:
        number: Counted from 1.
        state: `complete`, `pruned`, `failed`, or `unfinished`: under way, or interrupted and to go on.
        settings: What was searched, by setting name.
        value: Of the metric after the last epoch; None unless it is complete.
        curve: Epoch and metric, for each epoch that has ended.
        reason: Why it failed; empty otherwise.
        run: Its folder.
    """

    number: int
    state: str
    settings: dict[str, Any]
    value: float | None
    curve: list[tuple[int, float]]
    reason: str
    run: str


@dataclasses.dataclass(frozen=True)
class TuneResult:
    """What a search has found.

    Attributes:
        output: The search's folder.
        metric: `test_accuracy` or `test_loss`.
        direction: `maximize` or `minimize`.
        searched: What was searched, by setting name, as on the command line.
        base: The settings that all trials share.
        trials: In the order in which they were started.
        best: The complete trial with the best value, the first of equals; None if none is complete.
        command: The command line that trains with its settings; empty without one.
        importances: Share of each searched setting in the variance of the metric; empty where too few trials are complete.
    """

    output: str
    metric: str
    direction: str
    searched: dict[str, str]
    base: dict[str, Any]
    trials: list[Trial]
    best: Trial | None
    command: str
    importances: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return dataclasses.asdict(self)


def best_of(trials: list[Trial], direction: str) -> Trial | None:
    """The complete trial with the best value, the first of equals."""
    sign = 1 if direction == "maximize" else -1
    complete = [trial for trial in trials if trial.value is not None]
    return max(complete, key=lambda trial: (sign * (trial.value or 0.0), -trial.number), default=None)


def counts(trials: list[Trial]) -> str:
    """How many trials came to what: "20 trials: 12 complete, 8 pruned"."""
    states = [trial.state for trial in trials]
    parts = [f"{states.count(state)} {state}" for state in ("complete", "pruned", "failed", "unfinished") if state in states]
    return f"{len(trials)} trial{'' if len(trials) == 1 else 's'}: {', '.join(parts)}"
