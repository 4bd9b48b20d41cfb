"""The default dataset."""

import numpy as np
import pytest

from unikeras.data.request import Request
from unikeras.errors import DataError


def test_digits(prepared):
    data = prepared("digits")
    assert data.input_shape == (32, 32, 1) and data.train.x.dtype == np.uint8
    assert data.class_names == tuple("0123456789")
    assert len(data.train.y) + len(data.test.y) == 1797
    shares = np.bincount(data.test.y) / np.bincount(np.concatenate([data.train.y, data.test.y]))
    assert abs(shares - 0.2).max() < 0.005
    assert int(data.train.x.max()) == 255
    assert data.data_hash == "923492ace66dd115afd9704b3047f97f47b245de1fb88d2efa955fb2bd3ad6ba"


def test_own_size_is_scikit_learns_values(prepared):
    from sklearn.datasets import load_digits

    data = prepared("digits", size="8")
    ours = np.concatenate([data.train.x, data.test.x])[..., 0]
    theirs = np.rint(load_digits().images * 255 / 16)
    assert np.array_equal(np.unique(ours, axis=0), np.unique(theirs, axis=0))


def test_height_comes_first(prepared):
    assert prepared("digits", size="24x16").input_shape == (24, 16, 1)


@pytest.mark.parametrize("size", ["", "0", "32x", "x32", "32x32x3", "-4", "big"])
def test_malformed_size(size):
    with pytest.raises(DataError, match="Image size") as caught:
        Request("digits", None, None, size)
    assert "48x64" in caught.value.cure
