"""Per-channel statistics of the training set, taken while it streams by.

Integers are summed exactly, so their statistics are bit-identical on every machine; floats are summed in float64 over pieces
whose size depends on the sample's shape alone.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from unikeras.errors import DataError

_LIMB_BITS = 16
# Values per channel: at most four products, each below 2**32, share a weight, so sums stay below 2**62.
_CARRY_AFTER = 1 << 28


class Moments(Protocol):
    """Collects pieces [rows, ..., channels] and knows their moments."""

    def add(self, rows: npt.NDArray[Any]) -> None:
        """Take the next rows in."""

    def summary(self) -> dict[str, Any]:
        """`minimum` and `maximum` of all, `mean` and `std` (of the population) for each channel, as JSON values."""


def moments_for(dtype: np.dtype[Any], channels: int) -> Moments:
    """The collector for elements of `dtype`; channels are the last axis."""
    return _IntegerMoments(channels) if dtype.kind in "iu" else _FloatMoments(channels)


class _IntegerMoments:
    """Exact sums: mean = S/n, variance = (nQ - S²)/n².

    Values are split into limbs of 16 bits, so that int64 arrays can hold sums of products of two over many rows; before they
    could overflow they are carried over into Python integers, which can't.
    """

    def __init__(self, channels: int) -> None:
        self._channels, self._count, self._pending = channels, 0, 0
        self._sums: dict[int, npt.NDArray[np.int64]] = {}  # by weight: the power of 2**16
        self._squares: dict[int, npt.NDArray[np.int64]] = {}
        self._sum_total, self._square_total = [0] * channels, [0] * channels
        self._minimum: int | None = None
        self._maximum: int | None = None

    def add(self, rows: npt.NDArray[Any]) -> None:
        low, high = int(rows.min()), int(rows.max())
        self._minimum = low if self._minimum is None else min(low, self._minimum)
        self._maximum = high if self._maximum is None else max(high, self._maximum)
        count = rows.size // self._channels
        if self._pending + count > _CARRY_AFTER:
            self._carry()
        self._pending += count
        limbs = _limbs(rows)
        for i, left in enumerate(limbs):
            self._sums[i] = self._sums.get(i, 0) + _channel_sums(left, self._channels)
            for j, right in enumerate(limbs):
                self._squares[i + j] = self._squares.get(i + j, 0) + _channel_sums(left * right, self._channels)

    def summary(self) -> dict[str, Any]:
        self._carry()
        n = self._count
        variances = [Fraction(n * q - s * s, n * n) for s, q in zip(self._sum_total, self._square_total, strict=True)]
        return {
            "minimum": self._minimum,
            "maximum": self._maximum,
            "mean": [float(Fraction(s, n)) for s in self._sum_total],
            "std": [math.sqrt(variance) for variance in variances],
        }

    def _carry(self) -> None:
        self._sum_total = _carried(self._sum_total, self._sums)
        self._square_total = _carried(self._square_total, self._squares)
        self._sums, self._squares = {}, {}
        self._count, self._pending = self._count + self._pending, 0


class _FloatMoments:
    """Means and squared deviations by piece, merged by Chan's rule (Chan, Golub, LeVeque 1979), which doesn't cancel."""

    def __init__(self, channels: int) -> None:
        self._count = 0
        self._mean, self._deviation = np.zeros(channels), np.zeros(channels)
        self._minimum, self._maximum = math.inf, -math.inf

    def add(self, rows: npt.NDArray[Any]) -> None:
        self._minimum, self._maximum = min(self._minimum, float(rows.min())), max(self._maximum, float(rows.max()))
        channels = len(self._mean)
        values = rows.reshape(len(rows), -1, channels).astype(np.float64)
        count, total = rows.size // channels, self._count + rows.size // channels
        with np.errstate(over="ignore", invalid="ignore"):
            mean = _channel_sums(values, channels) / count
            values -= mean
            shift = mean - self._mean
            self._deviation += _channel_sums(values * values, channels) + shift**2 * (self._count * count / total)
            self._mean += shift * (count / total)
        self._count = total

    def summary(self) -> dict[str, Any]:
        std = np.sqrt(self._deviation / self._count)
        if not np.isfinite(std).all():
            raise DataError(
                f"x_train has values from {self._minimum:g} to {self._maximum:g}, too large for statistics in float64.",
                cure="Scale them to a smaller range.",
            )
        return {"minimum": self._minimum, "maximum": self._maximum, "mean": self._mean.tolist(), "std": std.tolist()}


def _limbs(rows: npt.NDArray[Any]) -> list[npt.NDArray[np.int64]]:
    """Integers as digits of 16 bits, lowest first, the top one signed: products of two fit int64 and so do their sums."""
    top = max(0, 8 * rows.dtype.itemsize - _LIMB_BITS)
    lower = [((rows >> shift) & ((1 << _LIMB_BITS) - 1)).astype(np.int64) for shift in range(0, top, _LIMB_BITS)]
    return [*lower, (rows >> top).astype(np.int64)]


def _channel_sums(values: npt.NDArray[Any], channels: int) -> npt.NDArray[Any]:
    # Over the rows first: that sum runs along contiguous memory whatever the number of channels.
    return np.asarray(values.reshape(len(values), -1).sum(axis=0).reshape(-1, channels).sum(axis=0))


def _carried(totals: list[int], sums: dict[int, npt.NDArray[np.int64]]) -> list[int]:
    for weight, values in sums.items():
        totals = [total + (value << _LIMB_BITS * weight) for total, value in zip(totals, values.tolist(), strict=True)]
    return totals
