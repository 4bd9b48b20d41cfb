"""Mistakes inside of a layer: every convention that implementations disagree on, tried out in NumPy."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from unikeras.checking import numpy_layers as nl
from unikeras.checking.diagnosis.matching import Hypothesis, factor_between, first_fitting, precision
from unikeras.weights import Weights

EPSILONS = (1e-3, 1e-5, 1e-4, 1e-6, 1e-2, 1e-7, 1e-8, 1e-12, 0.0)


def explain(
    layer: dict[str, Any], w: Weights, x: np.ndarray, expected: np.ndarray, actual: np.ndarray, training: bool
) -> str | None:
    """The mistake that makes `actual` of `x`, where the layer makes `expected` of it."""
    config, kind = layer["config"], layer["type"]
    compute = nl.LAYERS.get(kind)
    own = _OWN[kind](config, w, x, training) if kind in _OWN else iter(())
    found = first_fitting(actual, [*own, *_of_weights(compute, config, w, x, training), *_general(x, expected)])
    if found is not None:
        return found
    factor = factor_between(actual, expected)
    return f"its output is multiplied by {factor:.4g}" if factor is not None else precision(actual, expected)


def _of_weights(
    compute: nl.Layer | None, config: dict[str, Any], w: Weights, x: np.ndarray, training: bool
) -> Iterator[Hypothesis]:
    """A weight that is left out, or taken for another one, or weights of too few digits."""
    if compute is None:
        return
    others: list[tuple[str, Weights]] = []
    for name in w:
        if name in ("bias", "beta", "gamma"):
            others.append((f"the {name} is missing", {key: value for key, value in w.items() if key != name}))
    for one, other in itertools.combinations(w, 2):
        if w[one].shape == w[other].shape:
            others.append((f"{one} and {other} are swapped", {**w, one: w[other], other: w[one]}))
    others.append(
        ("weights rounded to float16", {name: value.astype(np.float16).astype(np.float64) for name, value in w.items()})
    )
    for words, changed in others:
        yield words, lambda changed=changed: compute(config, changed, x, training)  # type: ignore[misc]


def _general(x: np.ndarray, expected: np.ndarray) -> Iterator[Hypothesis]:
    """What can happen to any layer."""
    yield "the layer does nothing", lambda: x
    yield "its output is zero", lambda: np.zeros_like(expected)
    for name, activation in nl.ACTIVATIONS.items():
        if name != "linear":
            yield f"{name} is applied to its output", lambda activation=activation: activation(expected)  # type: ignore[misc]


def _conv(config: dict[str, Any], w: Weights, x: np.ndarray, training: bool) -> Iterator[Hypothesis]:
    kernel = w["kernel"]
    kernels = {
        "the kernel is flipped (a convolution, not a correlation)": kernel[::-1, ::-1],
        "the kernel's rows and columns are swapped": kernel.transpose(1, 0, 2, 3),
        "the kernel's inputs and outputs are transposed": kernel.transpose(0, 1, 3, 2),
        "the input's channels are reversed": kernel[:, :, ::-1],
    }
    for words, other in kernels.items():
        if other.shape == kernel.shape:
            yield words, lambda other=other: nl.conv2d(config, {**w, "kernel": other}, x)  # type: ignore[misc]
    for words, padding in _paddings(config, kernel, x):
        yield words, lambda padding=padding: nl.conv2d(config, w, x, padding=padding)  # type: ignore[misc]


def _paddings(config: dict[str, Any], kernel: np.ndarray, x: np.ndarray) -> Iterator[tuple[str, tuple[nl.Pair, nl.Pair]]]:
    size, strides = (kernel.shape[0], kernel.shape[1]), nl.pair(config["strides"])
    rows, columns = nl.paddings(x, config, size, strides)
    yield "the odd pixel of padding goes first", (rows[::-1], columns[::-1])
    half = (size[0] // 2, size[0] // 2), (size[1] // 2, size[1] // 2)
    yield "symmetric padding: the odd pixel of padding goes first", half
    yield "no padding", ((0, 0), (0, 0))


def _dense(config: dict[str, Any], w: Weights, x: np.ndarray, training: bool) -> Iterator[Hypothesis]:
    kernel = w["kernel"]
    if kernel.shape[0] == kernel.shape[1]:
        yield "the kernel is transposed", lambda: nl.dense(config, {**w, "kernel": kernel.T}, x)


def _batch_norm(config: dict[str, Any], w: Weights, x: np.ndarray, training: bool) -> Iterator[Hypothesis]:
    if training:
        yield "running statistics used in training", lambda: nl.batch_norm(config, w, x, False)
        yield "the unbiased variance of the batch", lambda: nl.batch_norm(config, w, x, True, unbiased=True)
    else:
        yield "the batch's statistics used at evaluation", lambda: nl.batch_norm(config, w, x, True)
    for epsilon in EPSILONS:
        words = f"epsilon {epsilon:g} instead of {config['epsilon']:g}"
        yield words, lambda epsilon=epsilon: nl.batch_norm({**config, "epsilon": epsilon}, w, x, training)  # type: ignore[misc]
    yield "epsilon outside the root", lambda: _epsilon_outside(config, w, x, training)


def _epsilon_outside(config: dict[str, Any], w: Weights, x: np.ndarray, training: bool) -> np.ndarray:
    axes = tuple(range(x.ndim - 1))
    mean, variance = (x.mean(axes), x.var(axes)) if training else (w["moving_mean"], w["moving_variance"])
    return np.asarray((x - mean) / (np.sqrt(variance) + config["epsilon"]) * w.get("gamma", 1.0) + w.get("beta", 0.0))


def _layer_norm(config: dict[str, Any], w: Weights, x: np.ndarray, training: bool) -> Iterator[Hypothesis]:
    for epsilon in EPSILONS:
        words = f"epsilon {epsilon:g} instead of {config['epsilon']:g}"
        yield words, lambda epsilon=epsilon: nl.layer_norm({**config, "epsilon": epsilon}, w, x)  # type: ignore[misc]
    size = x.shape[-1]
    corrected = {**config, "epsilon": config["epsilon"] * (size - 1) / size}
    yield (
        "the unbiased variance",
        lambda: nl.layer_norm(corrected, {**w, "gamma": w.get("gamma", 1.0) * np.sqrt((size - 1) / size)}, x),
    )


def _pool(config: dict[str, Any], w: Weights, x: np.ndarray, training: bool) -> Iterator[Hypothesis]:
    yield "the maximum instead of the average", lambda: nl.max_pool(config, w, x)
    yield "the average instead of the maximum", lambda: nl.average_pool(config, w, x)
    yield "padding counts in the average", lambda: nl.average_pool(config, w, x, count_padding=True)
    yield "padding repeats the edge", lambda: nl.edge_average(config, x)


def _flatten(config: dict[str, Any], w: Weights, x: np.ndarray, training: bool) -> Iterator[Hypothesis]:
    if x.ndim == 4:
        yield "flatten with the channel first", lambda: x.transpose(0, 3, 1, 2).reshape(len(x), -1)
        yield "flatten with the column first", lambda: x.transpose(0, 2, 1, 3).reshape(len(x), -1)


def _activation(config: dict[str, Any], w: Weights, x: np.ndarray, training: bool) -> Iterator[Hypothesis]:
    for words, function in activations().items():
        yield words, lambda function=function: function(x)  # type: ignore[misc]


def activations() -> dict[str, Any]:
    """Activations by what a message calls them, and the variants that frameworks differ by."""
    slopes = {f"leaky_relu with slope {slope:g}": (lambda x, s=slope: np.where(x > 0, x, s * x)) for slope in (0.01, 0.1, 0.3)}
    return {"no activation": lambda x: x, **nl.ACTIVATIONS, "gelu by tanh": nl.gelu_tanh, "gelu": _gelu, **slopes}


def _gelu(x: np.ndarray) -> np.ndarray:
    from scipy.special import erf

    return np.asarray(0.5 * x * (1 + erf(x / np.sqrt(2))))


_OWN = {
    "Conv2D": _conv,
    "Dense": _dense,
    "BatchNormalization": _batch_norm,
    "LayerNormalization": _layer_norm,
    "MaxPooling2D": _pool,
    "AveragePooling2D": _pool,
    "Flatten": _flatten,
    "Activation": _activation,
    "ReLU": _activation,
}
