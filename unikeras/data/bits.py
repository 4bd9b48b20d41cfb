"""All randomness of data: raw PCG64 words keyed by a domain and integers.

Raw words rather than `Generator` methods: NumPy keeps the streams of its bit generators over versions, but not those of
`Generator` (NEP 19), and these numbers must be the same on every machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]
PIECE = 1 << 16  # words that are in memory at once, where there may be one for each sample of a large dataset


def stream(domain: str, *keys: int) -> np.random.PCG64:
    """A stream of its own for each domain and keys (0 ≤ key < 2**64)."""
    # Two words for each key: SeedSequence drops leading zero words, so keys of varying width could collide.
    words = [word for key in (int.from_bytes(domain.encode()), *keys) for word in _halves(key)]
    return np.random.PCG64(np.random.SeedSequence(words))


def draw(stream: np.random.PCG64, count: int) -> Words:
    """The next `count` words, uint64, uniform over all values."""
    return np.asarray(stream.random_raw(count), np.uint64)


def pieces(stream: np.random.PCG64, count: int) -> Iterator[tuple[int, Words]]:
    """The next `count` words, piece by piece, each with the number of words before it."""
    for start in range(0, count, PIECE):
        yield start, draw(stream, min(PIECE, count - start))


def below(words: Words, bound: int) -> npt.NDArray[np.int64]:
    """Integers uniform over 0 ≤ i < bound from the upper halves of the words (bias under bound / 2**32)."""
    return (((words >> np.uint64(32)) * np.uint64(bound)) >> np.uint64(32)).astype(np.int64)


def permutation(words: Words) -> npt.NDArray[np.int64]:
    """A uniform permutation: the order that sorts the words."""
    return np.argsort(words, kind="stable").astype(np.int64, copy=False)


def _halves(key: int) -> tuple[Any, Any]:
    if not 0 <= key < 1 << 64:
        raise ValueError(f"a key of a random stream must be 0 to 2**64 - 1, not {key}")
    return key & 0xFFFFFFFF, key >> 32
