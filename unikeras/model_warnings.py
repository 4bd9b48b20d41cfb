"""What is odd about a model, though it can be trained."""

from __future__ import annotations

import numpy as np

from unikeras import model_files
from unikeras.backends.base import Backend, are_probabilities
from unikeras.run import Run

SAMPLES = 4


def changed(finished: Run) -> list[str]:
    """A warning, if the model file is no longer that of the run."""
    model = finished.settings.model
    same = finished.provenance["model_hash"] == model_files.fingerprint(model_files.locate(model))
    return [] if same else [f"The model file {model} has changed since the run was trained."]


def softmax(backend: Backend) -> list[str]:
    """A warning, if the model gives probabilities where the loss expects logits; a file with a loss of its own may want them.

    Outputs on zeros could sum to 1 by chance, so they are looked at again on random inputs, layer by layer.
    """
    if not backend.gives_probabilities or hasattr(backend.module, "loss"):
        return []
    spec = backend.spec
    noise = np.random.default_rng(0).integers(0, 256, (SAMPLES, *spec.input_shape)).astype(spec.input_dtype)
    seen: list[tuple[str, np.ndarray]] = []

    def observe(name: str, tensor: np.ndarray) -> None:
        if not name.endswith(":input"):
            seen.append((name, tensor.copy()))

    outputs = backend.trace(noise, False, observe)
    if not are_probabilities(outputs):
        return []
    names = [name.partition(":")[0] for name, tensor in seen if np.array_equal(tensor, outputs)]
    where = f"layer {names[0]}" if names else "an operation that is no layer"
    return [
        f"{spec.model_file} ends with a softmax ({where}), but the loss expects logits: from probabilities a model learns slowly "
        "or not at all. Remove the softmax; evaluation and prediction need none."
    ]
