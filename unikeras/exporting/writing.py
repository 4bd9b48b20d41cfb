"""The job that writes an exported file: a run's weights in a backend, and the framework's own exporter."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, Literal

from unikeras import model_warnings, weights
from unikeras.backends.base import Backend
from unikeras.errors import ExportError, UnikerasError
from unikeras.events import Emit, Notice
from unikeras.exporting.formats import select
from unikeras.factory import make_backend
from unikeras.run import Run, load_run

# Weights are kept in float32 or float64, and not every format has float64 or bfloat16 arithmetic on every machine.
DTYPE: Literal["float32"] = "float32"


def write(emit: Emit, folder: str, format_name: str, backend: str, path: str) -> dict[str, Any]:
    """Writes the run in `folder` to `path`, which nobody sees yet; returns the hash of the run's weights."""
    finished, chosen = load_run(folder), select(format_name)
    for warning in model_warnings.changed(finished):
        emit(Notice(warning))
    model = restore(finished, backend, DTYPE)
    try:
        chosen.module.write(model, Path(path))
    except UnikerasError:
        raise
    except Exception as error:
        raise ExportError(
            f"{finished.settings.model} can't be exported as {chosen.name} from {backend}: {reason(error)}",
            cure=_cure(chosen.name),
        ) from error
    return {"weights_hash": weights.digest(finished.weights())}


def restore(finished: Run, backend: str, dtype: Literal["float32", "float64"]) -> Backend:
    """A backend with the run's weights that computes in `dtype`, whatever the run was trained in."""
    model = make_backend(dataclasses.replace(finished.settings, dtype=dtype), backend, finished.provenance["inputs"])
    model.load_weights(finished.weights())
    return model


def reason(error: Exception) -> str:
    """What an exporter or a runtime says, in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:400]}"


def _cure(format_name: str) -> str:
    if format_name == "keras":
        return "A .keras file needs layers with get_config; the other formats keep the computation alone."
    return "Another --format may know the model's operations."
