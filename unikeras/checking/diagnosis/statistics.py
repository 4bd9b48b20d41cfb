"""Mistakes in running statistics: which momentum, and which variance."""

from __future__ import annotations

import numpy as np

from unikeras.checking.diagnosis import matching
from unikeras.checking.subject import Subject
from unikeras.weights import Weights

EQUAL = 1e-9


def explain(subject: Subject, name: str, actual: np.ndarray, before: Weights, after: Weights) -> str | None:
    """What leads from the old running statistic to the one that the backend has.

    Args:
        name: Of the statistic: `norm1/moving_mean`.
        before, after: The model's weights and statistics before a training batch, and the right ones after it.
    """
    path, _, leaf = name.rpartition("/")
    layer = subject.evidence.load_json("layers")["layers"].get(path, {})
    momentum = layer.get("config", {}).get("momentum")
    if momentum is None:
        return None
    old, new = before[name].astype(np.float64), after[name]
    batch = (new - momentum * old) / (1 - momentum)
    kept = _share_kept(actual, old, batch)
    if kept is not None:
        return _momentum_words(kept, momentum)
    if leaf != "moving_variance":
        return None
    count = subject.evidence.load("training")[f"{path}:input"].size // batch.size
    kept = _share_kept(actual, old, batch * count / (count - 1))
    if kept is None:
        return None
    other = None if abs(kept - momentum) < EQUAL else _momentum_words(kept, momentum)
    return " and ".join(part for part in ("the unbiased variance", other) if part) + " in the running statistics"


def _momentum_words(kept: float, momentum: float) -> str | None:
    for words, share in {
        "running statistics that are never updated": 1.0,
        "running statistics that move twice": momentum**2,
        f"momentum swapped: {kept:.4g} of the old value is kept, not {momentum:g}": 1 - momentum,
    }.items():
        if abs(kept - share) < EQUAL:
            return words
    return None if abs(kept - momentum) < EQUAL else f"momentum {kept:.4g} instead of {momentum:g}"


def _share_kept(actual: np.ndarray, old: np.ndarray, statistic: np.ndarray) -> float | None:
    """The number k with actual = k · old + (1 − k) · statistic, if there is one."""
    step = old - statistic
    kept = float(((actual - statistic) * step).sum() / (step * step).sum())
    return kept if matching.fits(actual, kept * old + (1 - kept) * statistic) else None
