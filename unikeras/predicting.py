"""What a prediction takes and gives: image files become arrays, and logits become classes in order. Worker side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from unikeras.data.images import load_image
from unikeras.errors import DataError
from unikeras.predictions import probabilities


def load_inputs(paths: list[Path], shape: tuple[int, ...], dtype: str) -> tuple[list[str], np.ndarray]:
    """Names and inputs of what is to be predicted: images, or the rows of one .npy file."""
    expected = "×".join(map(str, shape))
    if len(paths) == 1 and paths[0].suffix == ".npy":
        try:
            array = np.load(paths[0], allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise DataError(f"{paths[0]} can't be read: {error}.", cure="Save the array with numpy.save.") from None
        if array.shape[1:] != shape:
            received = "×".join(map(str, array.shape[1:]))
            raise DataError(f"{paths[0]} has samples of shape {received}.", cure=f"The model takes {expected}.")
        return [f"{paths[0].name}[{index}]" for index in range(len(array))], array.astype(dtype)
    if len(shape) != 3:
        raise DataError(f"The model takes arrays of shape {expected}, not images.", cure="Give one .npy file of them.")
    images = [load_image(path, *shape) for path in paths]
    return [str(path) for path in paths], np.stack(images)


def top_classes(logits: np.ndarray, class_names: list[str], top: int) -> list[dict[str, Any]]:
    """The `top` classes of one image's logits with their probabilities, the most probable first."""
    shares = probabilities(logits)
    order = np.argsort(-shares, kind="stable")[:top]
    return [{"name": class_names[index], "probability": float(shares[index])} for index in order]
