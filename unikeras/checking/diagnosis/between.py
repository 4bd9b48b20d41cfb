"""Mistakes between layers: activations, poolings and flattening of native models, which are functions there, and the inputs."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from unikeras.checking import numpy_layers as nl
from unikeras.checking.diagnosis import layers
from unikeras.checking.diagnosis.matching import Diagnosis, factor_between, fits, precision
from unikeras.checking.figures import Figure
from unikeras.checking.subject import Subject
from unikeras.weights import Weights

LOOK_BACK = 6  # reference tensors before the wrong one from which it may have been made

Function = Callable[[np.ndarray], np.ndarray | None]


def explain(subject: Subject, figure: Figure, seen: Weights) -> Diagnosis | str | None:
    """The chain of activation, pooling and flattening that makes what arrived, in its difference to the right one.

    A wrong activation is blamed on the layer that it follows, though only what arrives at the next one shows it.
    """
    evidence = subject.evidence
    reference, order = evidence.load(figure.case), evidence.load_json(f"{figure.case}-order")
    expected, actual = reference[figure.name], seen[figure.name]
    place = order.index(figure.name)
    if place == 0:
        return _explain_inputs(subject, figure, actual)
    for source in reversed(order[max(0, place - LOOK_BACK) : place]):
        given = reference[source]
        right = _chain(subject, given, expected)
        wrong = _chain(subject, given, actual)
        if right is not None and wrong is not None and right != wrong:
            only_activation = right[1:] == wrong[1:]
            return Diagnosis(_difference(right, wrong), source.partition(":")[0] if only_activation else None)
    factor = factor_between(actual, expected)
    return f"everything is multiplied by {factor:.4g}" if factor is not None else precision(actual, expected)


def _chain(subject: Subject, given: np.ndarray, wanted: np.ndarray) -> tuple[str, str, str] | None:
    """Names of the activation, the pooling and the flattening that lead from one tensor to another."""
    for activation, pooling, flattening in itertools.product(_activations(), _poolings(subject), _FLATTENINGS.items()):
        result: np.ndarray | None = given
        for _, function in (activation, pooling, flattening):
            result = None if result is None else function(result)
        if result is not None and fits(wanted, result):
            return activation[0], pooling[0], flattening[0]
    return None


def _difference(right: tuple[str, str, str], wrong: tuple[str, str, str]) -> str:
    parts = []
    for expected, found in zip(right, wrong, strict=True):
        if expected != found and found.startswith("no "):
            parts.append(f"the {expected} is missing")
        elif expected != found and expected.startswith("no "):
            parts.append(f"{found} too much")
        elif expected != found:
            parts.append(f"{found} instead of {expected}")
    return " and ".join(parts)


def _activations() -> list[tuple[str, Function]]:
    return list(layers.activations().items())


def _poolings(subject: Subject) -> Iterator[tuple[str, Function]]:
    yield "no pooling", lambda x: x
    described = subject.evidence.load_json("layers")["layers"].values()
    configs: list[dict[str, Any]] = []
    for layer in described:
        if layer["type"] in ("MaxPooling2D", "AveragePooling2D") and layer["config"] not in configs:
            configs.append({key: layer["config"][key] for key in ("pool_size", "strides", "padding")})
    for config in configs:
        yield "max pooling", _spatial(lambda x, c=config: nl.max_pool(c, {}, x))
        yield "average pooling", _spatial(lambda x, c=config: nl.average_pool(c, {}, x))
    yield "global average pooling", _spatial(lambda x: x.mean((1, 2)))
    yield "global max pooling", _spatial(lambda x: x.max((1, 2)))
    yield "global sum pooling", _spatial(lambda x: x.sum((1, 2)))


def _spatial(function: Callable[..., np.ndarray]) -> Function:
    return lambda x: function(x) if x.ndim == 4 else None


_FLATTENINGS: dict[str, Function] = {
    "no flatten": lambda x: x,
    "flatten": lambda x: x.reshape(len(x), -1) if x.ndim > 2 else None,
    "flatten with the channel first": lambda x: np.moveaxis(x, -1, 1).reshape(len(x), -1) if x.ndim > 2 else None,
    "flatten with the column first": lambda x: x.transpose(0, 2, 1, 3).reshape(len(x), -1) if x.ndim == 4 else None,
}


def _explain_inputs(subject: Subject, figure: Figure, actual: np.ndarray) -> str | None:
    evidence = subject.evidence
    raw = np.array(evidence.data().train.x[: len(actual)]).astype(np.float64)
    scale, offset = np.asarray(evidence.inputs["scale"]), np.asarray(evidence.inputs["offset"])
    right = raw * scale + offset
    candidates = {
        "inputs that are not scaled": raw,
        "inputs scaled by 1/256": raw / 256,
        "inputs scaled to [−1, 1]": raw / 127.5 - 1,
        "inputs scaled to [0, 1]": raw / 255,
        "inputs without their offset": raw * scale,
        "the input's channels reversed": right[..., ::-1],
        "the input's rows and columns swapped": right.swapaxes(1, 2) if right.ndim == 4 else right,
    }
    for words, candidate in candidates.items():
        if fits(actual, candidate):
            return words
    factor = factor_between(actual, right)
    return f"inputs multiplied by {factor:.4g}" if factor is not None else precision(actual, right)
