"""Stage 1: the same parameters, and the same seeded values in them."""

from __future__ import annotations

import math

import numpy as np

from unikeras.check.figures import Figure
from unikeras.check.subject import Subject


def measure(subject: Subject) -> None:
    """Names, shapes, which are trainable, and initial values, which have to be equal to the bit."""
    model = subject.make_model(dropout=True)
    expected, trainable = subject.evidence.load("initial"), set(subject.evidence.load_json("trainable"))
    received, trained = model.weights(), set(model.trainable_names())
    for name in [*expected, *(name for name in received if name not in expected)]:
        problem = _problem(expected.get(name), received.get(name), name in trainable, name in trained)
        subject.add(Figure("structure", "parameters", name, math.inf if problem else 0.0, 0.0, problem))


def _problem(expected: np.ndarray | None, received: np.ndarray | None, trainable: bool, trained: bool) -> str | None:
    if received is None:
        return "missing"
    if expected is None:
        return "not in the Keras model"
    if received.shape != expected.shape:
        return f"shape {'×'.join(map(str, received.shape))} for {'×'.join(map(str, expected.shape))}"
    if trainable != trained:
        return "trainable here, frozen in the Keras model" if trained else "frozen here, trainable in the Keras model"
    if not np.array_equal(received.astype(np.float32), expected):
        return "other initial values"
    return None
