"""Arithmetic that is coarser than was asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from unikeras.checking.plants import plant
from unikeras.checking.plants.patching import put, temporarily, wrap

Call = Callable[..., Any]


@plant(
    "float32-in-float64",
    "Layers of a float64 model compute in float32.",
    backend="torch",
    stage="forward",
    layer="norm1",
    looks_like="float32 arithmetic",
    dtype="float64",
)
def float32_in_float64() -> None:
    """Keras 3.15 on torch, without what unikeras does about it: its normalisations and `keras.ops.matmul` give float32."""
    from unikeras.backends import torch as backend

    put(backend, "keep_float64", lambda: None)


@plant(
    "dense-in-bfloat16",
    "Dense layers compute in bfloat16, whatever the model's type.",
    backend="native-tensorflow",
    stage="forward",
    layer="dense1",
    looks_like="bfloat16",
)
def dense_in_bfloat16() -> None:
    """A cast for the accelerator that stayed in the layer."""
    import tensorflow as tf

    from unikeras.layers.tensorflow import Dense

    def call(original: Call, self: Any, inputs: Any) -> Any:
        with temporarily(self, compute_dtype=tf.bfloat16):
            outputs = original(self, inputs)
        return tf.cast(outputs, inputs.dtype)

    wrap(Dense, "__call__", call)


@plant(
    "autocast-left-on",
    "A float32 model computes under bfloat16 autocast.",
    backend="native-torch",
    stage="forward",
    layer="conv1",
    looks_like="bfloat16",
)
def autocast_left_on() -> None:
    """Autocast leaves float64 alone, so that only float32 shows it: a matter of precision, not of arithmetic."""
    from unikeras.backends.base import ModelSpec

    put(ModelSpec, "mixed", property(lambda self: True))
