"""Splitting samples that come without a test set."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from unikeras.data import bits

_TEST_SHARE = 0.2


def held_out(labels: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Which samples become the test set: a fifth of each class, at least one where a class has two or more.

    The choice depends on the labels alone, never on the training seed: every run has the same test set.

    Args:
        labels: int64 [N].

    Returns:
        bool [N], True for the test set.
    """
    mask = np.zeros(len(labels), np.bool_)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        count = max(1, round(_TEST_SHARE * len(members))) if len(members) > 1 else 0
        order = bits.permutation(bits.draw(bits.stream("split", int(label)), len(members)))
        mask[members[order[:count]]] = True
    return mask
