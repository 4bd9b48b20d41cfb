"""Comparing arrays with the reference, worker side. Nothing to compare, another shape, or NaN is a failure, never a match."""

from __future__ import annotations

import math

import numpy as np

from unikeras.checking.figures import Figure


def compare(
    stage: str, case: str, name: str, value: np.ndarray | None, expected: np.ndarray, roundoff: float, scale: float | None = None
) -> Figure:
    """The largest difference of two arrays, relative to the largest reference value, so that values near zero don't count more.

    Args:
        value: What the backend gave; None if it gave nothing.
        scale: What the difference is relative to, if not to the largest value of `expected`.
    """
    problem = problem_of(value, expected)
    if problem is not None or value is None:
        return Figure(stage, case, name, math.inf, roundoff, problem)
    if scale is None:
        scale = largest(expected)
    difference = largest(value.astype(np.float64) - expected)
    error = difference / scale if scale else (0.0 if difference == 0 else math.inf)
    return Figure(stage, case, name, error, roundoff)


def problem_of(value: np.ndarray | None, expected: np.ndarray) -> str | None:
    """Why two arrays can't be compared; None if they can."""
    if value is None:
        return "missing"
    if value.shape != expected.shape:
        return f"shape {_shape(value)} for {_shape(expected)}"
    if not expected.size:
        return "nothing to compare"
    if not np.isfinite(expected).all():
        return "the reference is not finite"
    return None if np.isfinite(value).all() else "not finite"


def largest(array: np.ndarray) -> float:
    """Largest absolute value."""
    return float(np.abs(array).max()) if array.size else 0.0


def rms(array: np.ndarray) -> float:
    """Root of the mean square."""
    return float(np.sqrt(np.mean(np.square(array, dtype=np.float64)))) if array.size else 0.0


def _shape(array: np.ndarray) -> str:
    return "×".join(map(str, array.shape)) or "()"
