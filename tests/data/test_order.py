"""The order of an epoch is one for all machines."""

import hashlib

import numpy as np
import pytest

from unikeras.data import bits
from unikeras.data.order import epoch_order


def test_order_is_the_recorded_one():
    order = epoch_order(7, 3, 1000)
    assert order[:8].tolist() == FIRST
    assert hashlib.sha256(order.astype("<i8").tobytes()).hexdigest() == ORDER_HASH


def test_order_is_a_permutation():
    assert np.array_equal(np.sort(epoch_order(0, 0, 5000)), np.arange(5000))


@pytest.mark.parametrize("count", [1, bits.PIECE - 1, bits.PIECE, bits.PIECE + 1, 3 * bits.PIECE, 40 * bits.PIECE + 7])
def test_order_is_that_of_all_words_at_once_however_many_there_are(count):
    words = bits.draw(bits.stream("order", 5, 2), count)
    assert np.array_equal(epoch_order(5, 2, count), np.argsort(words, kind="stable"))


def test_seed_and_epoch_both_change_the_order():
    orders = {tuple(epoch_order(seed, epoch, 50)) for seed in range(4) for epoch in range(4)}
    assert len(orders) == 16


def test_keys_beyond_32_bits_do_not_collide_with_their_neighbours():
    assert not np.array_equal(epoch_order(5 + (9 << 32), 0, 100), epoch_order(5, 9, 100))


def test_domains_are_independent():
    assert not np.array_equal(bits.draw(bits.stream("order", 1, 2), 10), bits.draw(bits.stream("augment", 1, 2), 10))


def test_negative_key_is_refused():
    with pytest.raises(ValueError, match="-1"):
        epoch_order(-1, 0, 10)


def test_below_is_uniform():
    counts = np.bincount(bits.below(bits.draw(bits.stream("test"), 90_000), 9), minlength=9)
    assert counts.size == 9
    assert abs(counts - 10_000).max() < 500  # five standard deviations


FIRST = [133, 995, 999, 661, 508, 604, 425, 642]
ORDER_HASH = "4670182438df4ea49aec7d18b93b5fd8dfe6044534ccca6e18c4a0f2dd945c9f"
