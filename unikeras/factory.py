"""From settings to a backend with a model in it. Worker side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from unikeras import backends, model_files
from unikeras.backends.base import Backend, ModelSpec
from unikeras.data.dataset import Dataset, Mode
from unikeras.optimizers import OptimizerSpec
from unikeras.settings import Settings


def make_backend(settings: Settings, backend: str, inputs: dict[str, Any]) -> Backend:
    """The model of `settings` on `backend`, for `inputs` as `describe_inputs` gives them."""
    info = backends.BACKENDS[backend]
    model_file = model_files.framework_file(model_files.locate(settings.model), info.framework, info.uses_keras)
    return backends.load(backend)(make_spec(settings, model_file, inputs))


def make_spec(settings: Settings, model_file: Path, inputs: dict[str, Any]) -> ModelSpec:
    """What settings mean to a backend."""
    return ModelSpec(
        model_file=model_file,
        input_shape=tuple(inputs["shape"]),
        input_dtype=inputs["dtype"],
        num_classes=len(inputs["class_names"]),
        scale=np.asarray(inputs["scale"]),
        offset=np.asarray(inputs["offset"]),
        dtype=settings.dtype,
        seed=settings.seed,
        label_smoothing=settings.label_smoothing,
        optimizer=OptimizerSpec.of(settings.optimizer, settings.weight_decay, settings.clip_norm),
        threads=settings.threads,
    )


def describe_inputs(data: Dataset, normalize: Mode) -> dict[str, Any]:
    """What a model has to know of its inputs, as JSON values: with it a run predicts where its dataset is not at hand."""
    scale, offset = data.normalization(normalize)
    return {
        "shape": list(data.input_shape),
        "dtype": data.train.x.dtype.name,
        "class_names": list(data.class_names),
        "scale": scale.tolist(),
        "offset": offset.tolist(),
    }
