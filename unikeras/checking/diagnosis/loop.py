"""Mistakes of the training loop: which batches it took, and at which rates."""

from __future__ import annotations

import numpy as np


def explain_batches(expected: list[np.ndarray], taken: list[np.ndarray | None], per_epoch: int, batch_size: int) -> str | None:
    """What happened to the batches.

    Args:
        expected: Sample indices of each step.
        taken: Those that the loop took; None for samples that are in no known place.
        per_epoch: Steps of an epoch.
    """
    keys = [tuple(batch) for batch in expected]
    got = [None if batch is None else tuple(batch) for batch in taken]
    wanted, given = keys[:per_epoch], got[:per_epoch]
    short = [key for key in keys if len(key) < batch_size]
    if short and len(got) < len(keys) and not set(short) & set(got) and got == [key for key in keys if key not in short]:
        return "the last batch, a smaller one, is dropped"
    if None in got:
        mixed = all(batch is not None and len(batch) == len(key) for batch, key in zip(got, keys, strict=False))
        return "samples in another order" if mixed else "other samples, or labels that belong to others"
    if got[:per_epoch] == wanted and got[per_epoch : 2 * per_epoch] == wanted:
        return "the same order in every epoch"
    if set(given) == set(wanted):
        return "the epoch's batches in another order"
    place = next((step for step, (one, other) in enumerate(zip(got, keys, strict=False)) if one != other), len(got))
    if place + 1 < len(keys) and place < len(got) and got[place] == keys[place + 1]:
        return f"a batch is skipped at step {place + 1}"
    if 0 < place < len(got) and got[place] == keys[place - 1]:
        return f"a batch is taken twice at step {place + 1}"
    samples = [index for batch in taken[:per_epoch] if batch is not None for index in batch.tolist()]
    if sorted(samples) == sorted(np.concatenate(expected[:per_epoch]).tolist()):
        return "samples in another order"
    return None


def explain_rates(expected: list[float], given: list[float], per_epoch: int) -> str | None:
    """What happened to the learning rate."""
    count = min(len(expected), len(given))
    wanted, got = np.array(expected[:count]), np.array(given[:count])
    if np.array_equal(got[1:], wanted[:-1]):
        return "the schedule is one step late"
    if np.array_equal(got[:-1], wanted[1:]):
        return "the schedule is one step early"
    if len(set(got.tolist())) == 1:
        return "the learning rate never changes"
    if all(len(set(got[start : start + per_epoch].tolist())) == 1 for start in range(0, count, per_epoch)):
        return "the schedule changes once per epoch, not every step"
    factors = got / wanted
    return f"the learning rate is multiplied by {factors[0]:.4g}" if np.ptp(factors) < 1e-9 * abs(factors[0]) else None
