"""Comparing what a backend gave with hypotheses."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

TOLERANCE = 1e-8  # relative, in float64: far above its rounding, far below the effect of any mistake worth a name

Hypothesis = tuple[str, Callable[[], np.ndarray | None]]


class Diagnosis(NamedTuple):
    """What a mistake looks like.

    Attributes:
        words: None where none of the known mistakes fits.
        layer: The layer to blame, where it is not the one at which the mistake was seen.
    """

    words: str | None
    layer: str | None = None


def fits(actual: np.ndarray, candidate: np.ndarray | None, relative_to: float | None = None) -> bool:
    """Whether two arrays are equal up to rounding in float64."""
    if candidate is None or candidate.shape != actual.shape or not actual.size:
        return False
    finite = np.isfinite(actual)
    if not finite.any() or (finite != np.isfinite(candidate)).any():
        return False
    actual, candidate = actual[finite], candidate[finite]
    scale = np.abs(candidate).max() if relative_to is None else relative_to
    return bool(np.abs(actual - candidate).max() <= TOLERANCE * scale)


def first_fitting(actual: np.ndarray, hypotheses: Iterable[Hypothesis]) -> str | None:
    """The words of the first hypothesis that gives `actual`."""
    for words, compute in hypotheses:
        with np.errstate(invalid="ignore", over="ignore"):  # such as the root of what was taken for a variance
            candidate = compute()
        if fits(actual, candidate):
            return words
    return None


def factor_between(actual: np.ndarray, expected: np.ndarray) -> float | None:
    """The number c with actual = c · expected, if there is one that isn't 1."""
    norm = float((expected * expected).sum())
    if actual.shape != expected.shape or not norm:
        return None
    factor = float((actual * expected).sum()) / norm
    return factor if abs(factor - 1) > TOLERANCE and fits(actual, factor * expected) else None


def precision(actual: np.ndarray, expected: np.ndarray) -> str | None:
    """A type of lower precision in which the values were computed, if their error is of its size."""
    if actual.shape != expected.shape or not np.abs(expected).max():
        return None
    error = float(np.abs(actual - expected).max() / np.abs(expected).max())
    if 2.0**-32 < error < 2.0**-17 and (np.float32(actual) == actual).all():
        return "float32 arithmetic inside float64"
    return "bfloat16 arithmetic" if 2.0**-12 < error < 2.0**-5 and _is_bfloat16(actual) else None


def _is_bfloat16(values: np.ndarray) -> bool:
    """Whether all values have eight significant bits."""
    mantissa, _ = np.frexp(values)
    return bool((mantissa * 256 == np.round(mantissa * 256)).all())
