"""Samples of a dataset as pictures inside the page."""

from __future__ import annotations

import base64
import dataclasses
import io
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from unikeras.data.dataset import Dataset

SHARP = 64  # pixels up to which a picture is enlarged with hard edges; larger ones are photographs
LARGEST = 160  # pixels that a page holds of one


@dataclasses.dataclass(frozen=True)
class Picture:
    """`uri` holds the picture itself."""

    uri: str
    width: int
    height: int
    sharp: bool


def are_pictures(dataset: Dataset) -> bool:
    """Whether samples are grey or coloured images."""
    shape = dataset.input_shape
    return len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3))


def picture(dataset: Dataset, index: int) -> Picture:
    """A test image of a dataset whose samples are pictures."""
    from PIL import Image

    image = Image.fromarray(_eight_bit(dataset, np.array(dataset.test.x[index])))
    sharp = max(image.size) <= SHARP
    image.thumbnail((LARGEST, LARGEST))
    file = io.BytesIO()
    image.save(file, "PNG" if sharp else "JPEG", optimize=True)
    kind = "png" if sharp else "jpeg"
    return Picture(f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}", *image.size, sharp)


def _eight_bit(dataset: Dataset, sample: Any) -> Any:
    """[height, width] or [height, width, 3] in 0 … 255; other types are spread over the range of the training set."""
    sample = sample[..., 0] if sample.ndim == 3 and sample.shape[2] == 1 else sample
    if sample.dtype == np.uint8:
        return sample
    low, high = dataset.statistics["minimum"], dataset.statistics["maximum"]
    share = (sample.astype(np.float64) - low) / ((high - low) or 1.0)
    return (255 * np.nan_to_num(share).clip(0, 1)).round().astype(np.uint8)
