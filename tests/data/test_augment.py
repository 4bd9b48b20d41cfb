"""Augmentation is decided per (seed, epoch, sample) and changes nothing but what it says."""

import hashlib
import sys

import numpy as np
import pytest

from unikeras.data.augment import Augmenter
from unikeras.errors import DataError

SHAPE = (32, 32, 3)
COUNT = 500


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (COUNT, *SHAPE), dtype=np.uint8)


def augmenter(kind, epoch=2, seed=1, shape=SHAPE):
    made = Augmenter(kind, seed, COUNT, shape)
    made.start_epoch(epoch)
    return made


@pytest.mark.parametrize(("kind", "expected"), [("flip", "FLIP"), ("flip+shift", "SHIFT")])
def test_result_is_the_recorded_one(images, kind, expected):
    result = augmenter(kind)(images, np.arange(COUNT))
    assert hashlib.sha256(result.tobytes()).hexdigest() == HASHES[expected]


@pytest.mark.parametrize("kind", ["none", "flip", "flip+shift"])
def test_sample_does_not_depend_on_its_place_in_the_batch(images, kind):
    indices = np.array([17, 3, 400, 77])
    whole = augmenter(kind)(images, np.arange(COUNT))
    assert np.array_equal(augmenter(kind)(images[indices], indices), whole[indices])


@pytest.mark.parametrize("kind", ["none", "flip", "flip+shift"])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_input_is_not_modified_and_dtype_kept(images, kind, dtype):
    before = images[:9].astype(dtype)
    copy = before.copy()
    result = augmenter(kind)(before, np.arange(9))
    assert np.array_equal(before, copy)
    assert result.dtype == dtype and result.shape == before.shape


def test_results_of_two_batches_do_not_share_memory(images):
    augment = augmenter("flip+shift")
    first = augment(images[:8], np.arange(8))
    copy = first.copy()
    augment(images[8:16], np.arange(8, 16))
    assert np.array_equal(first, copy)


@pytest.mark.parametrize("shape", [(32, 32, 3), (5, 9, 1), (2, 3, 3)])
def test_every_result_is_a_flip_and_a_shift_with_zeros_outside(shape):
    images = np.random.default_rng(0).integers(1, 256, (COUNT, *shape), dtype=np.uint8)
    result = augmenter("flip+shift", shape=shape)(images, np.arange(COUNT))
    seen = set()
    for image, changed in zip(images, result, strict=True):
        found = [move for move in _moves(image) if np.array_equal(move[1], changed)]
        assert found
        seen.add(found[0][0])
    if shape == SHAPE:
        assert {flip for flip, _, _ in seen} == {False, True}
        assert {dy for _, dy, _ in seen} == {dx for _, _, dx in seen} == set(range(9))


def test_flip_happens_half_of_the_time(images):
    result = augmenter("flip")(images, np.arange(COUNT))
    flipped = (result != images).any(axis=(1, 2, 3)).mean()
    assert abs(flipped - 0.5) < 0.11  # five standard deviations


def test_epochs_differ(images):
    results = [augmenter("flip+shift", epoch)(images[:50], np.arange(50)).tobytes() for epoch in range(3)]
    assert len(set(results)) == 3


def test_tabular_data_are_refused():
    with pytest.raises(DataError, match=r"'flip' needs images.*\(32,\)") as caught:
        Augmenter("flip", 0, 10, (32,))
    assert "none" in caught.value.cure
    Augmenter("none", 0, 10, (32,))


@pytest.mark.parametrize("kind", ["flip", "flip+shift"])
def test_python_does_no_more_for_large_batches_of_large_images(kind):
    """A loop over images, rows or pixels would take longer than the training step; benchmarks/loop_overhead.py has the time."""
    small, large = (lines_run(kind, (size, size, 3), count) for size, count in ((8, 4), (64, 256)))
    assert small == large > 0


def lines_run(kind, shape, count):
    """Lines of Python that a batch takes, those of NumPy included."""
    augment, images = augmenter(kind, shape=shape), np.ones((count, *shape), np.uint8)
    lines = 0

    def trace(_frame, event, _argument):
        nonlocal lines
        lines += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        augment(images, np.arange(count))
    finally:
        sys.settrace(before)
    return lines


def _moves(image):
    height, width, _ = image.shape
    for flip in (False, True):
        padded = np.pad(image[:, ::-1] if flip else image, ((4, 4), (4, 4), (0, 0)))
        for dy in range(9):
            for dx in range(9):
                yield (flip, dy, dx), padded[dy : dy + height, dx : dx + width]


HASHES = {
    "FLIP": "6657aa9c43921799bf6d26cfff775b4756b6be8ddb7661528818c2b9fa588cdb",
    "SHIFT": "6458fd2e34f428f57dea7b4bc6549552802621a7d8d7b63e793925534fde9646",
}
