"""What a search says of its trials, on the terminal and in its report."""

from __future__ import annotations

from typing import Any

from unikeras.tune_result import Trial
from unikeras.tune_space import spell


def outcome(trial: Trial, metric: str) -> str:
    """What a trial came to, in a few words."""
    if trial.state == "complete":
        return f"{metric.replace('_', ' ')} {figure(trial.value, metric)}"
    if trial.state == "pruned":
        epoch, value = trial.curve[-1] if trial.curve else (0, None)
        return f"pruned after epoch {epoch} at {figure(value, metric)}"
    return f"failed: {trial.reason}" if trial.state == "failed" else "unfinished"


def figure(value: float | None, metric: str) -> str:
    """A value of the metric as people read it."""
    if value is None:
        return "nothing"
    return f"{value:.2%}" if metric == "test_accuracy" else f"{value:.4f}"


def shown(value: Any) -> str:
    """A setting's value, short; the best command has all digits."""
    return f"{value:.3g}" if isinstance(value, float) else spell(value)
