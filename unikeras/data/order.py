"""The order in which an epoch visits the training samples."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from unikeras.data import bits


def epoch_order(seed: int, epoch: int, count: int) -> npt.NDArray[np.int64]:
    """A permutation of 0 … count-1 keyed by (seed, epoch), bit-identical on every machine.

    Returns:
        int64 [count].
    """
    return bits.permutation(bits.draw(bits.stream("order", seed, epoch), count))
