"""Confirms the reference by means that share no code with its framework: NumPy layers, and finite differences of the loss."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from unikeras.backends.base import Backend
from unikeras.checking import numpy_layers
from unikeras.checking.comparing import largest
from unikeras.checking.evidence import Evidence
from unikeras.weights import Weights

STEP = 1e-6  # of the finite differences: their error is about STEP² and roundoff/STEP, both near 1e-11


def describe_layers(model: Backend) -> dict[str, Any]:
    """Type and configuration of every layer of a Keras model by its path, and whether the model file has a loss of its own."""
    from unikeras.backends import _observe

    keras_model: Any = model.model  # type: ignore[attr-defined] # the reference is a Keras model
    paths = _observe.layer_paths(keras_model)
    layers = {
        path: {"type": type(layer).__name__, "config": _json_values(layer)}
        for layer in keras_model._flatten_layers()
        if (path := paths.get(id(layer))) is not None
    }
    return {"layers": layers, "own_loss": hasattr(model.module, "loss")}  # type: ignore[attr-defined]


def _json_values(layer: Any) -> dict[str, Any]:
    """The parts of a layer's configuration that JSON can hold; a user's layer may have none."""
    try:
        config = layer.get_config()
    except Exception:  # noqa: BLE001 - a user's layer may raise anything
        return {}
    return {key: value for key, value in config.items() if _is_json(value)}


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True


def layer_weights(start: Weights, path: str) -> Weights:
    """A layer's own weights by their last name, float64."""
    return {name.rpartition("/")[2]: value.astype(np.float64) for name, value in start.items() if name.rpartition("/")[0] == path}


def confirm_layers(evidence: Evidence) -> dict[str, Any]:
    """Computes every known layer again in NumPy from the reference's input to it.

    Returns:
        Paths `confirmed` and `unknown`, and the `largest_error`, relative to the largest value of each output.
    """
    start, layers = evidence.load("start"), evidence.load_json("layers")["layers"]
    confirmed, unknown, errors = set(), set(), [0.0]
    for mode in ("inference", "training"):
        tensors = evidence.load(mode)
        for path, layer in layers.items():
            given, expected = tensors.get(f"{path}:input"), tensors.get(f"{path}:output")
            compute = numpy_layers.LAYERS.get(layer["type"])
            if given is None or expected is None:
                continue
            output = compute(layer["config"], layer_weights(start, path), given, mode == "training") if compute else None
            if output is None:
                unknown.add(path)
                continue
            confirmed.add(path)
            after = tensors.get(f"{path}:activation")
            activated = numpy_layers.activate(layer["config"].get("activation"), expected)
            if after is not None and activated is not None:
                errors.append(largest(activated - after) / (largest(after) or 1.0))
            errors.append(largest(output - expected) / (largest(expected) or 1.0) if output.shape == expected.shape else np.inf)
    return {"confirmed": sorted(confirmed), "unknown": sorted(unknown), "largest_error": float(max(errors))}


def confirm_gradients(evidence: Evidence, model: Backend, start: Weights) -> dict[str, Any]:
    """Compares the gradient of the first batch along three random directions with central differences of the loss.

    Where a maximum or a rectifier changes sides within the step, differences are less exact; the best direction counts.
    """
    data, indices = evidence.data(), evidence.batches()[0]
    x, y = data.train.x[indices], data.train.y[indices]
    trainable: list[str] = evidence.load_json("trainable")
    tensors = evidence.load("step-0000")
    errors = []
    for trial in range(3):
        rng = np.random.default_rng(trial)
        direction = {name: rng.standard_normal(start[name].shape) / np.sqrt(start[name].size) for name in trainable}
        slope = sum(float((tensors[f"gradients/{name}"] * direction[name]).sum()) for name in trainable)
        ends = []
        for sign in (1, -1):
            moved = {name: start[name].astype(np.float64) + sign * STEP * direction[name] for name in trainable}
            model.load_weights({**{name: value.astype(np.float64) for name, value in start.items()}, **moved})
            ends.append(model.gradients(x, y)[0])
        errors.append(abs((ends[0] - ends[1]) / (2 * STEP) - slope) / max(abs(slope), 1e-3))
    return {"finite_difference_error": min(errors)}
