"""Keras' layers in NumPy float64: an implementation that shares no code with a framework.

It confirms the reference, and gives the diagnosis something to vary: every convention that frameworks disagree on is an argument.
Inputs are B×H×W×C, as layers are observed, whatever their own data format.
Formulas: keras/src/layers; padding as in tensorflow.org/api_docs/python/tf/nn#notes_on_padding_2.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from unikeras.weights import Weights

Pair = tuple[int, int]


def pair(value: Any) -> Pair:
    """A size for both axes."""
    return (value, value) if isinstance(value, int) else (int(value[0]), int(value[1]))


def same_padding(size: int, field: int, stride: int) -> Pair:
    """Pixels before and after, for ⌈size/stride⌉ outputs; an odd one goes last."""
    total = max((-(-size // stride) - 1) * stride + field - size, 0)
    return total // 2, total - total // 2


def windows(x: np.ndarray, size: Pair, strides: Pair, padding: tuple[Pair, Pair], fill: float = 0.0) -> np.ndarray:
    """Fields of the padded input: B×rows×columns×C×height×width."""
    padded = np.pad(x, ((0, 0), *padding, (0, 0)), constant_values=fill)
    fields: np.ndarray = sliding_window_view(padded, size, axis=(1, 2))[:, :: strides[0], :: strides[1]]
    return fields


def paddings(x: np.ndarray, config: dict[str, Any], size: Pair, strides: Pair, dilation: int = 1) -> tuple[Pair, Pair]:
    """What the layer's `padding` means for this input."""
    if config["padding"] == "valid":
        return (0, 0), (0, 0)
    fields = [(extent - 1) * dilation + 1 for extent in size]
    first, second = (same_padding(x.shape[axis + 1], fields[axis], strides[axis]) for axis in (0, 1))
    return first, second


def conv2d(
    config: dict[str, Any], w: Weights, x: np.ndarray, training: bool = False, padding: tuple[Pair, Pair] | None = None
) -> np.ndarray | None:
    """Convolution before its activation; `padding` replaces the layer's own."""
    dilation = pair(config.get("dilation_rate", 1))
    if dilation[0] != dilation[1] or config.get("groups", 1) != 1:
        return None
    kernel = _dilated(w["kernel"], dilation[0])
    strides = pair(config["strides"])
    padding = padding or paddings(x, config, (kernel.shape[0], kernel.shape[1]), strides)
    fields = windows(x, (kernel.shape[0], kernel.shape[1]), strides, padding)
    return np.asarray(np.einsum("brcihw,hwio->brco", fields, kernel, optimize=True) + w.get("bias", 0.0))


def depthwise_conv2d(config: dict[str, Any], w: Weights, x: np.ndarray, training: bool = False) -> np.ndarray | None:
    """One kernel, or several, a channel."""
    if pair(config.get("dilation_rate", 1)) != (1, 1):
        return None
    kernel = w["kernel"]
    size, strides = (kernel.shape[0], kernel.shape[1]), pair(config["strides"])
    fields = windows(x, size, strides, paddings(x, config, size, strides))
    y: np.ndarray = np.einsum("brcihw,hwim->brcim", fields, kernel, optimize=True)
    return np.asarray(y.reshape(*y.shape[:3], -1) + w.get("bias", 0.0))


def dense(config: dict[str, Any], w: Weights, x: np.ndarray, training: bool = False) -> np.ndarray:
    """x·W + b."""
    return np.asarray(x @ w["kernel"] + w.get("bias", 0.0))


def batch_norm(
    config: dict[str, Any], w: Weights, x: np.ndarray, training: bool = False, unbiased: bool = False
) -> np.ndarray | None:
    """By the batch's statistics in training (their variance biased), by the running ones otherwise."""
    if config.get("axis", -1) not in (-1, 1, x.ndim - 1):  # 1 is the last as layers are observed
        return None
    mean, variance = w.get("moving_mean"), w.get("moving_variance")
    if training:
        axes = tuple(range(x.ndim - 1))
        mean, variance = x.mean(axes), x.var(axes, ddof=int(unbiased))
    assert mean is not None and variance is not None
    return np.asarray((x - mean) / np.sqrt(variance + config["epsilon"]) * w.get("gamma", 1.0) + w.get("beta", 0.0))


def layer_norm(config: dict[str, Any], w: Weights, x: np.ndarray, training: bool = False) -> np.ndarray | None:
    """Over the last axis."""
    if config.get("axis", -1) not in (-1, [-1], [x.ndim - 1], x.ndim - 1):
        return None
    mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    return np.asarray((x - mean) / np.sqrt(variance + config["epsilon"]) * w.get("gamma", 1.0) + w.get("beta", 0.0))


def max_pool(config: dict[str, Any], w: Weights, x: np.ndarray, training: bool = False) -> np.ndarray:
    """Largest value of each field."""
    size, strides = pair(config["pool_size"]), pair(config["strides"] or config["pool_size"])
    y: np.ndarray = windows(x, size, strides, paddings(x, config, size, strides), -np.inf).max(axis=(-2, -1))
    return y


def average_pool(
    config: dict[str, Any], w: Weights, x: np.ndarray, training: bool = False, count_padding: bool = False
) -> np.ndarray:
    """Mean of each field, over the values that are there."""
    size, strides = pair(config["pool_size"]), pair(config["strides"] or config["pool_size"])
    padding = paddings(x, config, size, strides)
    total = windows(x, size, strides, padding).sum(axis=(-2, -1))
    present = windows(np.ones_like(x), size, strides, padding).sum(axis=(-2, -1))
    return np.asarray(total / (math.prod(size) if count_padding else present))


def edge_average(config: dict[str, Any], x: np.ndarray) -> np.ndarray:
    """Mean of each field over an input whose edge is repeated, as Keras 3.15 computes it on torch."""
    size, strides = pair(config["pool_size"]), pair(config["strides"] or config["pool_size"])
    repeated = np.pad(x, ((0, 0), *paddings(x, config, size, strides), (0, 0)), mode="edge")
    return average_pool({**config, "padding": "valid"}, {}, repeated)


def _spatial_axes(x: np.ndarray) -> tuple[int, ...]:
    return tuple(range(1, x.ndim - 1))


Layer = Callable[..., np.ndarray | None]

LAYERS: dict[str, Layer] = {
    "Conv2D": conv2d,
    "DepthwiseConv2D": depthwise_conv2d,
    "Dense": dense,
    "BatchNormalization": batch_norm,
    "LayerNormalization": layer_norm,
    "MaxPooling2D": max_pool,
    "AveragePooling2D": average_pool,
    "GlobalAveragePooling2D": lambda config, w, x, training=False: x.mean(_spatial_axes(x), keepdims=config["keepdims"]),
    "GlobalMaxPooling2D": lambda config, w, x, training=False: x.max(_spatial_axes(x), keepdims=config["keepdims"]),
    "Flatten": lambda config, w, x, training=False: x.reshape(len(x), -1),
    "Dropout": lambda config, w, x, training=False: x,
    "ReLU": lambda config, w, x, training=False: np.maximum(x, 0.0) if config.get("max_value") is None else None,
    "Activation": lambda config, w, x, training=False: activate(config["activation"], x),
}


def activate(name: Any, x: np.ndarray) -> np.ndarray | None:
    """An activation by Keras' name; None if it isn't known here."""
    function = ACTIVATIONS.get(name) if isinstance(name, str) else None
    return None if function is None else function(x)


def gelu_tanh(x: np.ndarray) -> np.ndarray:
    """The approximation of GELU by tanh."""
    return np.asarray(0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))))


def softmax(x: np.ndarray) -> np.ndarray:
    """Over the last axis."""
    e = np.exp(x - x.max(-1, keepdims=True))
    return np.asarray(e / e.sum(-1, keepdims=True))


ACTIVATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "linear": lambda x: x,
    "relu": lambda x: np.maximum(x, 0.0),
    "relu6": lambda x: np.clip(x, 0.0, 6.0),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.2 * x),
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0.0))),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": np.tanh,
    "silu": lambda x: x / (1 + np.exp(-x)),
    "softmax": softmax,
}


def _dilated(kernel: np.ndarray, rate: int) -> np.ndarray:
    if rate == 1:
        return kernel
    height, width = ((extent - 1) * rate + 1 for extent in kernel.shape[:2])
    spaced = np.zeros((height, width, *kernel.shape[2:]), kernel.dtype)
    spaced[::rate, ::rate] = kernel
    return spaced


def cross_entropy(logits: np.ndarray, labels: np.ndarray, smoothing: float = 0.0) -> float:
    """Mean over the batch of −Σ q·log softmax(logits), q the one-hot label of which `smoothing` is spread evenly."""
    classes = logits.shape[1]
    log_p = logits - logits.max(1, keepdims=True)
    log_p = log_p - np.log(np.exp(log_p).sum(1, keepdims=True))
    q = np.eye(classes)[labels] * (1 - smoothing) + smoothing / classes
    return float(-(q * log_p).sum(1).mean())
