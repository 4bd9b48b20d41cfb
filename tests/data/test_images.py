"""Image files are read one way, and what is wrong with a file is said with its name."""

import numpy as np
import pytest
from PIL import Image

from unikeras.data.images import inspect_image, load_image, resize
from unikeras.errors import DataError

RGB = np.random.default_rng(0).integers(0, 256, (6, 4, 3), dtype=np.uint8)


def save(path, array, mode=None, **options):
    Image.fromarray(array).convert(mode).save(path, **options) if mode else Image.fromarray(array).save(path, **options)
    return path


def test_png_is_read_exactly(tmp_path):
    assert np.array_equal(load_image(save(tmp_path / "a.png", RGB), None, None, None), RGB)


@pytest.mark.parametrize(("mode", "channels"), [("1", 1), ("L", 1), ("LA", 1), ("P", 3), ("RGB", 3), ("RGBA", 3)])
def test_natural_channels_by_mode(tmp_path, mode, channels):
    path = save(tmp_path / "a.png", RGB, mode)
    assert load_image(path, None, None, None).shape == (6, 4, channels) == inspect_image(path)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P"])
def test_channels_are_converted(tmp_path, mode, channels):
    assert load_image(save(tmp_path / "a.png", RGB, mode), 8, 10, channels).shape == (8, 10, channels)


def test_transparency_is_dropped_without_changing_colours(tmp_path):
    rgba = np.dstack([RGB, np.full((6, 4), 7, np.uint8)])
    assert np.array_equal(load_image(save(tmp_path / "a.png", rgba), None, None, 3), RGB)


def test_sixteen_bit_greyscale_is_scaled_not_clipped(tmp_path):
    deep = (np.arange(24, dtype=np.uint16).reshape(6, 4) * 2700).astype(np.uint16)
    assert np.array_equal(load_image(save(tmp_path / "a.png", deep), None, None, None)[..., 0], deep >> 8)


def test_exif_orientation_is_honoured(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = save(tmp_path / "a.png", RGB, exif=exif)
    assert np.array_equal(load_image(path, None, None, None), np.rot90(RGB, -1))
    assert inspect_image(path) == (4, 6, 3)


def test_resize_equals_pillow_on_rgb_and_keeps_constants():
    expected = np.asarray(Image.fromarray(RGB).resize((9, 5), Image.Resampling.BILINEAR))
    assert np.array_equal(resize(RGB, 5, 9), expected)
    assert (resize(np.full((3, 3, 1), 200, np.uint8), 17, 5) == 200).all()


def test_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"nope\.png does not exist"):
        load_image(tmp_path / "nope.png", None, None, None)


def test_text_file_is_named(tmp_path):
    (tmp_path / "a.png").write_text("hello")
    with pytest.raises(DataError, match=r"a\.png is not an image"):
        load_image(tmp_path / "a.png", None, None, None)


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_truncated_file_is_named(tmp_path, suffix):
    path = save(tmp_path / f"a.{suffix}", np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match=rf"a\.{suffix} can't be read"):
        load_image(path, None, None, None)


@pytest.mark.parametrize("limit", [10, 20])
def test_decompression_bomb_is_refused(tmp_path, monkeypatch, limit):
    path = save(tmp_path / "a.png", RGB)  # 24 pixels: Pillow warns above the limit and raises above twice the limit
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    with pytest.raises(DataError, match=r"a\.png is too large"):
        load_image(path, None, None, None)


def test_two_channels_are_refused(tmp_path):
    with pytest.raises(DataError, match="2 channels"):
        load_image(save(tmp_path / "a.png", RGB), None, None, 2)
