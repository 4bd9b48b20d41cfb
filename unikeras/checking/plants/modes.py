"""Faults in what layers do in training and at evaluation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from unikeras.checking.plants import plant
from unikeras.checking.plants.patching import after_init, put, wrap

Call = Callable[..., Any]


@plant(
    "evaluation-in-training-mode",
    "The model is in training mode while it is evaluated.",
    backend="native-torch",
    stage="forward",
    layer="norm1",
    looks_like="batch's statistics used at evaluation",
)
def evaluation_in_training_mode() -> None:
    """No `model.eval()`: predictions depend on what else is in the batch."""
    from unikeras.backends.native_torch import Backend

    wrap(Backend, "forward", lambda original, self, inputs, training: original(self, inputs, True))


@plant(
    "dropout-at-evaluation",
    "Dropout stays on at evaluation.",
    backend="torch",
    stage="forward",
    layer="dropout",
    looks_like="dropout",
)
def dropout_at_evaluation() -> None:
    """`functional.dropout(x, 0.25)`, whose `training` is true unless told otherwise."""
    import keras

    wrap(keras.layers.Dropout, "call", lambda original, self, inputs, training=False: original(self, inputs, training=True))


@plant(
    "dropout-without-scaling",
    "Dropout doesn't multiply what it keeps by 1/(1 − rate).",
    backend="native-tensorflow",
    stage="forward",
    layer="dropout",
    looks_like="multiply",
)
def dropout_without_scaling() -> None:
    """As in the paper (Srivastava et al. 2014), where the weights are scaled at evaluation instead."""
    from unikeras.layers.tensorflow import Dropout

    def call(original: Call, self: Any, inputs: Any, training: bool) -> Any:
        outputs = original(self, inputs, training)
        return outputs * (1 - self.rate) if training else outputs

    wrap(Dropout, "__call__", call)


@plant(
    "dropout-rate-0.5",
    "Dropout with a rate of 0.5, whatever was asked for.",
    backend="tensorflow",
    stage="forward",
    layer="dropout",
    looks_like="another rate",
)
def dropout_rate() -> None:
    """The default of `nn.Dropout`."""
    import keras

    after_init(keras.layers.Dropout, lambda layer: put(layer, "rate", 0.5))


@plant(
    "dropout-keeps-rate",
    "Dropout keeps the share that it should drop.",
    backend="native-torch",
    stage="forward",
    layer="dropout",
    looks_like="another rate",
)
def dropout_keeps_rate() -> None:
    """`keep_prob` of TensorFlow 1 was the other way round."""
    from torch import nn

    after_init(nn.Dropout, lambda layer: put(layer, "p", 1 - layer.p))


@plant(
    "dropout-missing",
    "Dropout does nothing in training.",
    backend="torch",
    stage="forward",
    layer="dropout",
    looks_like="dropout",
)
def dropout_missing() -> None:
    """`training` never reaches the layer."""
    import keras

    wrap(keras.layers.Dropout, "call", lambda original, self, inputs, training=False: original(self, inputs, training=False))


@plant(
    "noise-at-evaluation",
    "A layer adds random noise at evaluation.",
    backend="torch",
    stage="forward",
    layer="norm3",
    looks_like="differs from call to call",
)
def noise_at_evaluation() -> None:
    """A regulariser that never asks whether it is in training."""
    import keras
    import torch

    def call(original: Call, self: Any, inputs: Any) -> Any:
        outputs = original(self, inputs)
        return outputs + 1e-3 * torch.randn_like(outputs)

    wrap(keras.layers.LayerNormalization, "call", call)
