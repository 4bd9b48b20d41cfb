"""The job that says what an exported file must compute, and how closely: by the run's own backend, and by float64.

The bound is made of what one rounding of everything does to these logits. In float64 every weight, and every tensor that goes
into or comes out of a layer, is moved by float32's roundoff, up or down at random; the largest change of a logit in some trials
is the *floor*. Two healthy programs differ by a few floors, because they sum in other orders; sums of thousands of terms, in any
order, need up to `UNITS`, as in `unikeras check`. A mistake has nothing to do with the roundoff, and is larger by far.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from unikeras.backends.base import Backend
from unikeras.checking.figures import ROUNDOFF, UNITS
from unikeras.data.dataset import Dataset
from unikeras.events import Emit, Notice
from unikeras.exporting.writing import DTYPE, restore
from unikeras.run import Run, load_run
from unikeras.weights import Weights

IMAGES = 64
TRIALS = 4
SEED = 0


def compute(emit: Emit, folder: str, dataset: str | None, path: str) -> dict[str, Any]:
    """Writes images and logits into `path` (.npz); returns where the images are from, and the bound with its parts."""
    finished = load_run(folder)
    images, source = _images(finished, dataset, emit)
    backend = finished.settings.backend
    logits = restore(finished, backend, DTYPE).predict(images)
    exact_model = restore(finished, backend, "float64")
    exact = exact_model.predict(images)
    scale = float(np.abs(exact).max())
    floor = max(_rounded(exact_model, finished.weights(), images, exact), ROUNDOFF[DTYPE] * scale)
    np.savez(path, images=images, logits=logits, exact=exact)
    return {"images": len(images), "source": source, "scale": scale, "floor": floor, "bound": UNITS * floor}


def _images(finished: Run, dataset: str | None, emit: Emit) -> tuple[np.ndarray, str]:
    """Test images, evenly spaced over all of them; random ones if there are none that fit."""
    shape, dtype = tuple(finished.provenance["inputs"]["shape"]), finished.provenance["inputs"]["dtype"]
    if dataset is not None:
        data = Dataset.open(Path(dataset))
        if data.input_shape == shape and data.test.x.dtype.name == dtype:
            chosen = np.unique(np.linspace(0, len(data.test.x) - 1, IMAGES).astype(int))
            return np.array(data.test.x[chosen]), "test images"
        emit(Notice(f"The dataset {finished.settings.dataset} has other images now; random ones take their place."))
    return random_images(finished.provenance["inputs"]), "random images"


def random_images(inputs: dict[str, Any]) -> np.ndarray:
    """Seeded images whose normalised values lie in [0, 1), or nearly: whole numbers for whole-number types."""
    dtype, rng = np.dtype(inputs["dtype"]), np.random.default_rng(SEED)
    if dtype == np.uint8:
        return rng.integers(0, 256, (IMAGES, *inputs["shape"]), np.uint8)
    values: np.ndarray = (rng.random((IMAGES, *inputs["shape"])) - np.asarray(inputs["offset"])) / np.asarray(inputs["scale"])
    whole: np.ndarray = values.astype(dtype)
    return whole


def _rounded(model: Backend, weights: Weights, images: np.ndarray, exact: np.ndarray) -> float:
    """The largest change of a logit when everything is rounded once, in the worst of the trials."""
    rng = np.random.default_rng(SEED)

    def moved(tensor: np.ndarray) -> np.ndarray:
        if not np.issubdtype(tensor.dtype, np.floating):
            return tensor
        return tensor.astype(np.float64) * (1 + ROUNDOFF[DTYPE] * rng.choice([-1.0, 1.0], tensor.shape))

    changes = []
    for _ in range(TRIALS):
        model.load_weights({name: moved(value) for name, value in weights.items()})
        logits = model.trace(images, False, lambda _name, tensor: moved(tensor))
        changes.append(float(np.abs(logits - exact).max()))
    return max(changes)
