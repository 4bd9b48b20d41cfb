"""Stage 1: the same parameters, and the same seeded values in them."""

from __future__ import annotations

import math

import numpy as np

from unikeras import weights
from unikeras.checking.figures import Figure
from unikeras.checking.subject import Subject
from unikeras.weights import Weights

OTHER_VALUES = "other initial values"


def measure(subject: Subject) -> None:
    """Names, shapes, which are trainable, and initial values, which have to be equal to the bit."""
    model = subject.make_model(dropout=True)
    expected, trainable = subject.evidence.load("initial"), set(subject.evidence.load_json("trainable"))
    received, trained = model.weights(), set(model.trainable_names())
    for name in [*expected, *(name for name in received if name not in expected)]:
        problem = _problem(expected.get(name), received.get(name), name in trainable, name in trained)
        looks_like = _looks_like(name, problem, expected, received) if problem else None
        subject.add(Figure("structure", "parameters", name, math.inf if problem else 0.0, 0.0, problem, looks_like=looks_like))


def _looks_like(name: str, problem: str, expected: Weights, received: Weights) -> str | None:
    """A renamed, transposed, frozen or otherwise initialised parameter."""
    if problem == "missing":
        others = [other for other, value in received.items() if other not in expected and value.shape == expected[name].shape]
        return f"renamed to {others[0]}" if others else "the parameter is missing"
    if problem.startswith("shape") and received[name].shape == expected[name].shape[::-1]:
        return "transposed"
    if problem == OTHER_VALUES:
        return _initial_values(name, expected[name], received[name])
    return "frozen" if problem.startswith("frozen") else None


def _initial_values(name: str, expected: np.ndarray, received: np.ndarray) -> str:
    seeds = [seed for seed in range(100) if np.array_equal(weights.initial_value(seed, name, received.shape), received)]
    if seeds:
        return f"initial values of seed {seeds[0]}"
    return "another initialiser" if received.std() != expected.std() else "other initial values"


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
        return OTHER_VALUES
    return None
