"""The order in which an epoch visits the training samples."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from unikeras.data import bits

_MOST_BITS = 5  # the words are drawn 32 times at most


def epoch_order(seed: int, epoch: int, count: int) -> npt.NDArray[np.unsignedinteger[Any]]:
    """A permutation of 0 … count-1 keyed by (seed, epoch), bit-identical on every machine: what sorts `count` random words.

    A large dataset's words are sorted range by range, by their highest bits, and drawn anew for each: all of them at once, with
    what sorting needs, take five times the memory of the order.

    Returns:
        [count], in the smallest unsigned type that holds count-1.
    """
    order = np.empty(count, np.min_scalar_type(count - 1))
    highest_bits = min(_MOST_BITS, (count // bits.PIECE).bit_length())
    filled = 0
    for value in range(1 << highest_bits):
        words, places = _words_that_begin_with(value, highest_bits, bits.stream("order", seed, epoch), count)
        order[filled : filled + len(places)] = places[bits.permutation(words)]
        filled += len(places)
    return order


def _words_that_begin_with(
    value: int, highest_bits: int, stream: np.random.PCG64, count: int
) -> tuple[bits.Words, npt.NDArray[np.int64]]:
    """Of the next `count` words those whose highest bits have a value, and how many words are before each."""
    words, places = [], []
    for start, drawn in bits.pieces(stream, count):
        found = np.flatnonzero(drawn >> np.uint64(64 - highest_bits) == value)  # with no bits: 0, as NumPy defines it
        words.append(drawn[found])
        places.append(start + found)
    return np.concatenate(words), np.concatenate(places)
