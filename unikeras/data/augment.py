"""Random flips and shifts of image batches, decided per (seed, epoch, sample), so that a batch is the same wherever it stands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from unikeras.data import bits
from unikeras.errors import DataError

Kind = Literal["none", "flip", "flip+shift"]
_REACH = 4  # pixels; with CIFAR-10's usual "pad by 4, crop at random"


class Augmenter:
    """Changes images as decided for the current epoch; call `start_epoch` before the first batch.

    `flip` mirrors left and right with probability 1/2. `flip+shift` then also moves the image by -4 … 4 pixels along each axis,
    uniformly, with zeros coming in.

    Args:
        kind: `none`, `flip` or `flip+shift`.
        seed: The run's seed.
        count: Number of training samples.
        input_shape: (height, width, channels).

    Raises:
        DataError: The samples are no images.
    """

    def __init__(self, kind: Kind, seed: int, count: int, input_shape: Sequence[int]) -> None:
        if kind != "none" and len(input_shape) != 3:
            raise DataError(
                f"Augmentation {kind!r} needs images (height, width, channels); these samples have shape {tuple(input_shape)}.",
                cure="Use augmentation none for data that are no images.",
            )
        self._kind, self._seed, self._count = kind, seed, count
        self._flip = np.zeros(0 if kind == "none" else count, np.bool_)
        self._top_left = np.zeros((count if kind == "flip+shift" else 0, 2), np.uint8)
        self._canvas: npt.NDArray[Any] | None = None

    def start_epoch(self, epoch: int) -> None:
        """Decide for every sample at once, keyed by (seed, epoch)."""
        if self._kind == "none":
            return
        for start, words in bits.pieces(bits.stream("augment", self._seed, epoch), self._count):
            part = slice(start, start + len(words))
            # One word decides all: the lowest bit the flip, its upper and its lower half the corner of the crop.
            self._flip[part] = words & np.uint64(1)
            if self._kind == "flip+shift":
                self._top_left[part, 0] = bits.below(words, 2 * _REACH + 1)
                self._top_left[part, 1] = bits.below(words << np.uint64(32), 2 * _REACH + 1)

    def __call__(self, images: npt.NDArray[Any], indices: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        """The augmented batch, same shape and dtype; the input is not modified.

        Args:
            images: [batch, height, width, channels], as they are in the dataset.
            indices: [batch], where they stand in the training set.
        """
        if self._kind == "none":
            return images
        mirrored = np.flatnonzero(self._flip[indices])
        if self._kind == "flip":
            result = images.copy()
            result[mirrored] = _mirror(images[mirrored])
            return result
        canvas = self._canvas_for(images)
        inner = canvas[:, _REACH:-_REACH, _REACH:-_REACH]
        inner[:] = images
        inner[mirrored] = _mirror(images[mirrored])
        return _crop(canvas, self._top_left[indices])

    def _canvas_for(self, images: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The batch's images with a border of zeros; kept, for fresh pages would cost as much as all the rest."""
        batch, height, width, channels = images.shape
        shape = (batch, height + 2 * _REACH, width + 2 * _REACH, channels)
        if self._canvas is None or self._canvas.shape != shape or self._canvas.dtype != images.dtype:
            self._canvas = np.zeros(shape, images.dtype)
        return self._canvas


def _mirror(images: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The images with left and right exchanged."""
    mirrored = np.empty_like(images)
    # Channel by channel NumPy's inner loop runs along the width; over all channels at once it would run along three bytes.
    for channel in range(images.shape[3]):
        mirrored[..., channel] = images[:, :, ::-1, channel]
    return mirrored


def _crop(canvas: npt.NDArray[Any], top_left: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
    """From each image with its border, a window of the image's size at `top_left`."""
    batch, height, width, channels = canvas.shape[0], canvas.shape[1] - 2 * _REACH, canvas.shape[2] - 2 * _REACH, canvas.shape[3]
    # Every run of `width` pixels as one opaque element: a gather then copies whole rows.
    row = np.dtype((np.void, width * channels * canvas.dtype.itemsize))
    runs = np.ndarray((batch, height + 2 * _REACH, 2 * _REACH + 1), row, buffer=canvas, strides=canvas.strides[:3])
    top, left = top_left[:, :1], top_left[:, 1:]
    rows = runs[np.arange(batch)[:, None], top + np.arange(height), left]
    return rows.view(canvas.dtype).reshape(batch, height, width, channels)
