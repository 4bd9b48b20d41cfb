"""Random data: the same noise everywhere, in the shape that was asked for."""

import hashlib

import numpy as np
import pytest

from unikeras.data import writer
from unikeras.errors import DataError


def digest(data):
    return hashlib.sha256(
        b"".join(np.ascontiguousarray(a).tobytes() for a in (data.train.x, data.train.y, data.test.x))
    ).hexdigest()


def test_noise_is_the_recorded_one(prepared):
    assert digest(prepared("random:4x5x3:3:50")) == "5920a5a39a56b847da24e24f5ea50210223b0bdc90853426844cb9a4cee1f1ce"


@pytest.mark.parametrize("name", ["random:4x5x3:3:50", "random:7:3:50"])
def test_bits_do_not_depend_on_the_size_of_pieces(prepared, monkeypatch, tmp_path, name):
    whole = digest(prepared(name))
    for entry in (tmp_path / "cache" / "datasets").iterdir():
        entry.rename(tmp_path / entry.name)
    monkeypatch.setattr(writer, "_BUFFER_BYTES", 200)
    assert digest(prepared(name)) == whole


def test_images_are_uniform_bytes(prepared):
    data = prepared("random:16x16x3:10:400")
    assert data.train.x.shape == (400, 16, 16, 3) and data.test.x.shape == (80, 16, 16, 3)
    counts = np.bincount(data.train.x.reshape(-1), minlength=256)
    assert abs(counts - 1200).max() < 200  # over five standard deviations
    assert set(data.train.y) == set(range(10))


def test_features_are_normal(prepared):
    data = prepared("random:32:10:1000")
    assert data.train.x.dtype == np.float32
    assert abs(data.train.x.mean()) < 0.03 and abs(data.train.x.std() - 1) < 0.03


def test_test_set_has_as_many_samples_as_classes(prepared):
    assert len(prepared("random:3:7:2").test.y) == 7


def test_training_and_test_noise_differ(prepared):
    data = prepared("random:4x4x1:2:50")
    assert not np.array_equal(data.train.x[:10], data.test.x)


@pytest.mark.parametrize(
    "name", ["random", "random:", "random:32x32x3:10", "random:0x3:2:5", "random:3:1:5", "random:3:2:-1", "random:a:2:5"]
)
def test_malformed_name_shows_an_example(prepared, name):
    with pytest.raises(DataError, match=f"'{name}' are not understood") as caught:
        prepared(name)
    assert "random:32x32x3:10:1000" in caught.value.cure


def test_image_size_is_refused(prepared):
    with pytest.raises(DataError, match="part of the name"):
        prepared("random:4x4x1:2:50", size="8")
