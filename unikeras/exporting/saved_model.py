"""A SavedModel: the folder that TensorFlow Serving takes, with the signature `serving_default` from `images` to `logits`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np


def write(backend: Any, path: Path) -> None:
    """Saves the graph of `predict`, with a free batch axis."""
    import tensorflow as tf

    spec = backend.spec
    images = tf.TensorSpec((None, *spec.input_shape), tf.as_dtype(spec.input_dtype), name="images")
    module = tf.Module()
    module.parameters = [backend.tensor(name) for name in backend.weights()]  # a SavedModel keeps only what hangs on its module
    module.serve = tf.function(lambda images: {"logits": backend.logits(images)}, input_signature=[images])
    tf.saved_model.save(module, str(path), signatures={"serving_default": module.serve})


def load(path: Path) -> Callable[[np.ndarray], np.ndarray]:
    """The folder's signature."""
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))
    serve = loaded.signatures["serving_default"]

    def run(images: np.ndarray) -> np.ndarray:
        logits: np.ndarray = serve(images=tf.constant(images))["logits"].numpy()
        return logits

    run.keeps = loaded  # type: ignore[attr-defined] # without it, TensorFlow takes the variables away
    return run
