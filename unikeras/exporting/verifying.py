"""The jobs that run an exported file in its own runtime, in a process that has no code of the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from unikeras.errors import ExportedFileError, ExportError, UnikerasError
from unikeras.events import Emit
from unikeras.exporting import sidecar
from unikeras.exporting.formats import FORMATS
from unikeras.exporting.writing import reason
from unikeras.predicting import load_inputs, top_classes

BATCH = 64


def verify(emit: Emit, format_name: str, path: str, reference: str) -> dict[str, Any]:
    """Largest differences between the file's logits and those of the run and of float64.

    Raises:
        ExportError: the runtime can't load or run the file, or its logits are not finite or of another shape.
    """
    with np.load(reference, allow_pickle=False) as arrays:
        images, expected, exact = (arrays[name] for name in ("images", "logits", "exact"))
    try:
        load = FORMATS[format_name].module.load(Path(path))
        logits, single = load(images), load(images[:1])
    except Exception as error:
        said = error.message if isinstance(error, UnikerasError) else reason(error)
        cure = "Choose another --format: the others keep the computation alone, without the code of layers of your own."
        raise ExportError(
            f"The exported file can't be run: {said}", cure=cure if format_name == "keras" else "Another --format may do."
        ) from error
    if logits.shape != expected.shape or single.shape != expected[:1].shape:
        raise ExportError(f"The exported file gives logits of shape {logits.shape}, the run of {expected.shape}.")
    if not np.isfinite(logits).all():
        raise ExportError("The exported file gives logits that are not finite.")
    return {
        "difference": float(np.abs(logits.astype(np.float64) - expected).max()),
        "exported_error": float(np.abs(logits - exact).max()),
        "run_error": float(np.abs(expected - exact).max()),
    }


def predict(emit: Emit, path: str, images: list[str], top: int) -> dict[str, Any]:
    """The `top` most probable classes of each image, by an exported file."""
    file = Path(path)
    described = sidecar.read(file)
    expected = described["input"]
    names, inputs = load_inputs([Path(image) for image in images], tuple(expected["shape"]), expected["dtype"])
    sidecar.require_unchanged(file, described)
    try:
        run = FORMATS[described["format"]].module.load(file)
        logits = np.concatenate([run(inputs[start : start + BATCH]) for start in range(0, len(inputs), BATCH)])
    except UnikerasError:
        raise
    except Exception as error:
        raise ExportedFileError(f"{file} can't be run: {reason(error)}", cure=sidecar.AGAIN) from error
    if logits.shape != (len(inputs), len(described["class_names"])):
        raise ExportedFileError(
            f"{file} gives logits of shape {logits.shape} for {len(described['class_names'])} classes.", cure=sidecar.AGAIN
        )
    pairs = zip(names, logits, strict=True)
    predictions = [{"image": name, "classes": top_classes(row, described["class_names"], top)} for name, row in pairs]
    return {"format": described["format"], "file": path, "predictions": predictions}
