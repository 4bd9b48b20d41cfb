"""Letting a `base.Observe` see a Keras model's layers at work, on any framework."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
from keras.src.layers.convolutional.base_conv import BaseConv
from keras.src.layers.convolutional.base_conv_transpose import BaseConvTranspose
from keras.src.layers.convolutional.base_depthwise_conv import BaseDepthwiseConv
from keras.src.layers.convolutional.base_separable_conv import BaseSeparableConv

from unikeras.backends.base import Observe

# Layers whose last operation is their activation.
_ACTIVATED = (BaseConv, BaseConvTranspose, BaseDepthwiseConv, BaseSeparableConv, keras.layers.Dense, keras.layers.EinsumDense)


def layer_paths(model: Any) -> dict[int, str]:
    """Canonical path of every layer inside of `model` by the layer's id: that of its variables, or else of its place."""
    return {id(layer): path for path, layer in _walk(model, "", f"{model.name}/")}


def _walk(parent: Any, prefix: str, model_prefix: str) -> Iterator[tuple[str, Any]]:
    for layer in parent._layers:
        if not isinstance(layer, keras.layers.Layer):
            continue
        own = [*layer._trainable_variables, *layer._non_trainable_variables]
        path = own[0].path.removeprefix(model_prefix).rpartition("/")[0] if own else prefix + layer.name
        yield path, layer
        yield from _walk(layer, f"{path}/", model_prefix)


@contextlib.contextmanager
def observed(model: Any, observe: Observe) -> Iterator[None]:
    """While it lasts, `observe` sees what goes into each layer of `model` and what comes out, and may replace it."""
    paths, calls = layer_paths(model), Counter[str]()
    original = keras.layers.Layer.__call__

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        path = paths.get(id(layer))
        if path is None or not args or isinstance(args[0], keras.KerasTensor):
            return original(layer, *args, **kwargs)
        calls[path] += 1
        name = path if calls[path] == 1 else f"{path}#{calls[path]}"
        if _is_tensor(args[0]):
            args = (shown(observe, f"{name}:input", args[0], layer), *args[1:])
        with _activation_shown(layer, name, observe) as is_shown:
            outputs = original(layer, *args, **kwargs)
        return shown(observe, f"{name}:output", outputs, layer) if _is_tensor(outputs) and not is_shown else outputs

    keras.layers.Layer.__call__ = call
    try:
        yield
    finally:
        keras.layers.Layer.__call__ = original


def shown(observe: Observe, name: str, tensor: Any, layer: Any) -> Any:
    """The tensor, or what `observe` puts in its place. Channels are observed last, also where the layer has them first."""
    array = np.asarray(keras.ops.convert_to_numpy(tensor))
    moved = array.ndim > 2 and _has_channels_first(layer)
    array = np.moveaxis(array, 1, -1) if moved else array
    replacement = observe(name, array if array.dtype == np.float64 else array.astype(np.float32))
    if replacement is None:
        return tensor
    return keras.ops.convert_to_tensor(np.moveaxis(replacement, -1, 1) if moved else replacement, dtype=tensor.dtype)


def _has_channels_first(layer: Any) -> bool:
    if isinstance(layer, keras.layers.BatchNormalization):
        return bool(layer.axis == 1)
    return getattr(layer, "data_format", None) == "channels_first"


@contextlib.contextmanager
def _activation_shown(layer: Any, name: str, observe: Observe) -> Iterator[bool]:
    """Shows both sides of a layer's own activation. Gives whether it has one."""
    activation: Callable[[Any], Any] | None = getattr(layer, "activation", None)
    if not isinstance(layer, _ACTIVATED) or activation in (None, keras.activations.linear):
        yield False
        return
    assert activation is not None
    layer.activation = lambda x: shown(
        observe, f"{name}:activation", activation(shown(observe, f"{name}:output", x, layer)), layer
    )
    try:
        yield True
    finally:
        layer.activation = activation


def _is_tensor(value: Any) -> bool:
    return keras.ops.is_tensor(value) and "float" in keras.backend.standardize_dtype(value.dtype)


def disable_dropout(model: Any) -> None:
    """Sets the rate of every random layer to zero."""
    for layer in model._flatten_layers():
        if hasattr(layer, "seed_generator"):
            for attribute in ("rate", "stddev"):
                if isinstance(getattr(layer, attribute, None), (int, float)):
                    setattr(layer, attribute, 0.0)
