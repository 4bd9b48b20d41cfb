"""`.tflite`: a flat file for LiteRT (TensorFlow Lite), converted from a SavedModel, with LiteRT's own operations only."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np


def write(backend: Any, path: Path) -> None:
    """The signature `serving_default` from `images` to `logits`, with a free batch axis."""
    import tensorflow as tf

    from unikeras.exporting import saved_model

    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        saved_model.write(backend, Path(folder))
        path.write_bytes(tf.lite.TFLiteConverter.from_saved_model(folder).convert())


def load(path: Path) -> Callable[[np.ndarray], np.ndarray]:
    """The file's signature, run by LiteRT's interpreter."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path))
    signature = interpreter.get_signature_runner("serving_default")

    def run(images: np.ndarray) -> np.ndarray:
        logits: np.ndarray = signature(images=images)["logits"]
        return logits

    run.keeps = interpreter  # type: ignore[attr-defined] # the signature is a part of it
    return run
