"""Statistics and the normalizations made of them."""

from fractions import Fraction

import numpy as np
import pytest

from unikeras.data import statistics


def npz(tmp_path, x):
    y = np.arange(len(x)) % 2
    np.savez(tmp_path / "data.npz", x_train=x, y_train=y, x_test=x[:2], y_test=y[:2])
    return tmp_path / "data.npz"


@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "u4", "i8", "f2", "f4", "f8"])
@pytest.mark.parametrize("shape", [(7,), (8, 8, 3), (1, 40000, 2)])
def test_statistics_equal_numpys(tmp_path, prepared, dtype, shape):
    rng = np.random.default_rng(0)
    x = (rng.normal(3, 20, (60, *shape)) % 100).astype(dtype)
    found = prepared(npz(tmp_path, x)).statistics
    # In float64 NumPy's own sum over 2.4 million rows is off by more than the bound.
    flat = x.reshape(-1, shape[-1]).astype(np.longdouble)
    np.testing.assert_allclose(found["mean"], flat.mean(0).astype(np.float64), rtol=1e-12)
    np.testing.assert_allclose(found["std"], flat.std(0).astype(np.float64), rtol=1e-12)
    assert (found["minimum"], found["maximum"]) == (flat.min(), flat.max())


@pytest.mark.parametrize("carry_after", [1, 1 << 28])
@pytest.mark.parametrize("dtype", ["u1", "i2", "i4", "u4", "i8", "u8"])
def test_integer_sums_are_exact_over_the_whole_range(dtype, carry_after, monkeypatch):
    monkeypatch.setattr(statistics, "_CARRY_AFTER", carry_after)
    info = np.iinfo(dtype)
    x = np.random.default_rng(0).integers(info.min, info.max, (50, 3), dtype=dtype, endpoint=True)
    x[0], x[1] = info.min, info.max
    moments = statistics.moments_for(x.dtype, 3)
    for piece in np.array_split(x, 7):
        moments.add(piece)
    found = moments.summary()
    for c in range(3):
        values = [int(value) for value in x[:, c]]
        mean = Fraction(sum(values), len(values))
        variance = Fraction(sum(value * value for value in values), len(values)) - mean * mean
        assert found["mean"][c] == float(mean)
        assert found["std"][c] == float(variance) ** 0.5
    assert (found["minimum"], found["maximum"]) == (info.min, info.max)


def test_floats_far_from_zero_do_not_cancel(tmp_path, prepared):
    x = np.random.default_rng(0).normal(1e8, 1, (5000, 100))
    np.testing.assert_allclose(prepared(npz(tmp_path, x)).statistics["std"], x.std(0), rtol=1e-7)


def test_dataset_normalization_standardizes_the_training_set(prepared):
    data = prepared("random:9:3:500")
    scale, offset = data.normalization("dataset")
    normalized = data.train.x.astype(np.float64) * scale + offset
    np.testing.assert_allclose(normalized.mean(0), 0, atol=1e-12)
    np.testing.assert_allclose(normalized.std(0), 1, rtol=1e-12)


@pytest.mark.parametrize(("mode", "low", "high"), [("unit", 0, 1), ("symmetric", -1, 1)])
def test_range_is_all_of_uint8_or_that_of_the_training_set(tmp_path, prepared, mode, low, high):
    scale, offset = prepared("digits").normalization(mode)
    assert scale.shape == offset.shape == ()
    np.testing.assert_allclose([0 * scale + offset, 255 * scale + offset], [low, high], atol=1e-15)
    x = np.linspace(-7, 30, 60).reshape(20, 3)
    scale, offset = prepared(npz(tmp_path, x)).normalization(mode)
    np.testing.assert_allclose([-7 * scale + offset, 30 * scale + offset], [low, high], atol=1e-12)


@pytest.mark.parametrize("mode", ["unit", "symmetric", "dataset"])
def test_constant_data_become_zero(tmp_path, prepared, mode):
    scale, offset = prepared(npz(tmp_path, np.full((10, 3), 5.0))).normalization(mode)
    assert (np.full(3, 5.0) * scale + offset == 0).all()
    assert (scale == 1).all()
