"""Whether two classifiers' accuracies on the same images differ by more than chance."""

from __future__ import annotations

from collections.abc import Sequence

LEVEL = 0.05  # below it, a difference is called more than chance


def mcnemar(only_first: int, only_second: int) -> float:
    """Exact two-sided p-value of McNemar's test (Psychometrika 12, 1947, p. 153).

    Images that both classify rightly, or both wrongly, say nothing of the difference. If the two are equally accurate, each of
    the other n images is equally likely to be the first's or the second's: `only_first` follows Binomial(n, ½), and p is twice
    its smaller tail, at most 1. Dietterich (Neural Computation 10, 1998, p. 1895) recommends the test for two classifiers that
    were trained once.

    Args:
        only_first: Images that only the first classifies rightly.
        only_second: Images that only the second classifies rightly.
    """
    from scipy import stats

    discordant = only_first + only_second
    return float(stats.binomtest(only_first, discordant, 0.5).pvalue) if discordant else 1.0


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values of several tests at once, corrected by Holm's method (Scandinavian Journal of Statistics 6, 1979, p. 65).

    The k-th smallest of m is multiplied by m − k + 1; none becomes smaller than one before it, or larger than 1. The chance that
    any of them is below a level, though none of the differences is real, is at most that level.
    """
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    corrected = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p_values[index]))
        corrected[index] = largest
    return corrected
