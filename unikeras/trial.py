"""The job that tries a backend out: it imports the framework, builds a real model and takes ten steps on random data."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np

from unikeras import backends, factory
from unikeras.errors import WorkerError
from unikeras.events import Emit, Reached
from unikeras.settings import Settings

STEPS = 10
BATCH_SIZE = 32
SHAPE = (16, 16, 3)
CLASSES = 4
MODEL = "simple-cnn"  # convolutions, pooling and dense layers


def attempt(emit: Emit, backend: str, threads: int | None, launched_at: float) -> dict[str, Any]:
    """Reports `Reached` after import, build and steps; returns the device that was used.

    Raises:
        WorkerError: the steps gave a loss that is no finite number, or did not lower it.
    """
    begun = launched_at

    def reached(stage: str) -> None:
        nonlocal begun
        now = time.monotonic()
        emit(Reached(stage, round(now - begun, 2)))
        begun = now

    backends.load(backend)
    reached("import")
    inputs = {"shape": SHAPE, "dtype": "uint8", "class_names": [""] * CLASSES, "scale": 1 / 255, "offset": 0.0}
    model = factory.make_backend(Settings(backend=backend, model=MODEL, threads=threads), backend, inputs)
    reached("build")
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (BATCH_SIZE, *SHAPE), dtype=np.uint8)
    labels = rng.integers(0, CLASSES, BATCH_SIZE)
    losses = [float(model.train_step(images, labels, 1e-3)) for _ in range(STEPS)]
    require_learning(losses)
    reached("steps")
    return {"device": str(model.device)}


def require_learning(losses: list[float]) -> None:
    """Ten steps on one batch lower its loss, whatever the machine; on a broken one they give NaN, or nothing moves.

    Raises:
        WorkerError: they did not.
    """
    if not all(map(math.isfinite, losses)) or not losses[-1] < losses[0]:
        written = ", ".join(f"{loss:.4g}" for loss in losses)
        raise WorkerError(f"{STEPS} steps on one batch must lower its loss, and gave {written}.")
