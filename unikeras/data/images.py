"""Image files become uint8 arrays, the same way for training and for predicting."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from unikeras.errors import DataError

_GREY_MODES = frozenset({"1", "L", "LA", "La", "I", "I;16", "I;16L", "I;16B", "I;16N"})
_ORIENTATION_TAG = 0x0112
_SIDEWAYS = frozenset({5, 6, 7, 8})  # EXIF orientations that exchange width and height


def load_image(path: Path, height: int | None, width: int | None, channels: int | None) -> npt.NDArray[np.uint8]:
    """Read an image file; EXIF orientation is honoured, transparency dropped, of animations the first picture counts.

    Args:
        path: PNG, JPEG or any other format that Pillow reads.
        height: Pixels; None: the image's own (then `width` is None too).
        width: Pixels.
        channels: 1 (luma) or 3 (RGB); None: 1 for greyscale files and 3 for all others.

    Returns:
        uint8 [height, width, channels].

    Raises:
        DataError: The file is missing, no image, truncated or implausibly large; the message names it.
    """
    if channels not in (None, 1, 3):
        raise DataError(f"An image can't be read with {channels} channels.", cure="Allowed: 1 (greyscale) or 3 (RGB).")
    with _opened(path) as image:
        upright = ImageOps.exif_transpose(image)
        mode = "L" if (channels or _channels(upright)) == 1 else "RGB"
        array = np.asarray(_eight_bit(upright).convert(mode))
    array = array.reshape(*array.shape[:2], -1)
    return array if height is None or width is None else resize(array, height, width)


def inspect_image(path: Path) -> tuple[int, int, int]:
    """(height, width, channels) as `load_image` would return them, from the file's header alone.

    Raises:
        DataError: As `load_image`, but damage behind the header goes unseen.
    """
    with _opened(path) as image:
        width, height = image.size
        if image.getexif().get(_ORIENTATION_TAG) in _SIDEWAYS:
            width, height = height, width
        return height, width, _channels(image)


def resize(image: npt.NDArray[np.uint8], height: int, width: int) -> npt.NDArray[np.uint8]:
    """Bilinear, with antialiasing when shrinking, in Pillow's fixed-point arithmetic: the same bits on every machine.

    Args:
        image: uint8 [height, width, channels], any number of channels.
        height: Pixels.
        width: Pixels.

    Returns:
        uint8 [height, width, channels].
    """
    if image.shape[:2] == (height, width):
        return image
    # Channels are resampled independently anyway; one at a time covers every number of them.
    planes = [Image.fromarray(np.ascontiguousarray(image[..., c])) for c in range(image.shape[2])]
    return np.stack([np.asarray(plane.resize((width, height), Image.Resampling.BILINEAR)) for plane in planes], axis=-1)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """The opened image; whatever goes wrong inside becomes a DataError that names the file."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's remarks on odd but readable files
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                yield image
    except FileNotFoundError as error:
        raise DataError(f"Image {path} does not exist.", cure="Check the path.") from error
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise DataError(
            f"Image {path} is too large: it would unpack to more than {Image.MAX_IMAGE_PIXELS:,} pixels.",
            cure="Make it smaller, or remove it.",
        ) from error
    except UnidentifiedImageError as error:
        raise DataError(f"{path} is not an image.", cure="Use PNG, JPEG or another common format, or remove the file.") from error
    # Pillow's decoders raise many types on broken files, SyntaxError and struct.error among them.
    except (OSError, ValueError, SyntaxError, EOFError, ArithmeticError, LookupError, TypeError) as error:
        raise DataError(f"Image {path} can't be read: {error}.", cure="Replace or remove the file.") from error


def _channels(image: Image.Image) -> int:
    return 1 if image.mode in _GREY_MODES else 3


def _eight_bit(image: Image.Image) -> Image.Image:
    """Greyscale of 16 bits scaled to 8; Pillow's own conversion would clip it instead."""
    if not image.mode.startswith("I"):
        return image
    values: npt.NDArray[Any] = np.asarray(image).astype(np.int64) >> 8
    return Image.fromarray(values.clip(0, 255).astype(np.uint8))
