"""What rounds of a race say: ratios of speeds, and how far they can be trusted."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Sequence

CONFIDENCE = 0.95
RESAMPLES = 2000


@dataclasses.dataclass(frozen=True)
class Ratio:
    """How many times as fast one contestant is as another.

    Attributes:
        median: Over the rounds.
        low, high: Its bootstrap interval of 95%.
    """

    median: float
    low: float
    high: float


def ratio(seconds: Sequence[float], rival_seconds: Sequence[float]) -> Ratio:
    """The ratio of speeds from seconds per image, round by round: what disturbs a round disturbs both."""
    import numpy as np
    from scipy import stats

    ratios = np.asarray(rival_seconds) / np.asarray(seconds)
    if len(ratios) < 2 or np.ptp(ratios) == 0:
        return Ratio(float(np.median(ratios)), float(ratios.min()), float(ratios.max()))
    interval = stats.bootstrap(
        (ratios,),
        np.median,
        confidence_level=CONFIDENCE,
        n_resamples=RESAMPLES,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return Ratio(float(np.median(ratios)), float(interval.low), float(interval.high))


def verdict(found: Ratio, noise: Ratio) -> str:
    """Faster or slower only where the interval lies outside of the band of two equal contestants."""
    low, high = band(noise)
    if found.low > high:
        return "faster"
    return "slower" if found.high < low else "no difference"


def band(noise: Ratio) -> tuple[float, float]:
    """What counts as equal: as far below 1 as above, for which of two equal contestants comes out ahead is chance."""
    margin = max(noise.high, 1 / noise.low, 1.0)
    return 1 / margin, margin


def slowdown(seconds: Sequence[Sequence[float]]) -> float:
    """How much longer an image took in the last third of the rounds than in the first, over all contestants; 1 is no change."""
    changes = []
    for one in seconds:
        third = max(1, len(one) // 3)
        changes.append(statistics.median(one[-third:]) / statistics.median(one[:third]))
    return statistics.median(changes)
