"""`.keras`: Keras' own file of architecture and weights, which runs on every backend of Keras."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from unikeras.errors import ExportedFileError


def write(backend: Any, path: Path) -> None:
    """Saves the Keras model behind an input of the dataset's own type and a layer that normalises."""
    import keras

    spec = backend.spec
    images = keras.Input(spec.input_shape, dtype=spec.input_dtype, name="images")
    normalized = keras.layers.Rescaling(spec.scale.tolist(), spec.offset.tolist(), name="normalization")(images)
    keras.Model(images, backend.model(normalized), name="exported").save(path)


def load(path: Path) -> Callable[[np.ndarray], np.ndarray]:
    """The file's model, which must be of Keras' own layers: safe mode, and nobody has registered others.

    Raises:
        ExportedFileError: it is of others.
    """
    import keras

    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except (TypeError, ValueError) as error:
        unknown = re.search(r"Could not locate class '([^']+)'", str(error))
        if unknown is None:
            raise
        raise ExportedFileError(f"it needs the class {unknown[1]}, whose code a .keras file can't hold.") from error

    def run(images: np.ndarray) -> np.ndarray:
        return np.asarray(keras.ops.convert_to_numpy(model(images, training=False)))

    return run
