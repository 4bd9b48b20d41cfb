"""Faults in which parameters there are, and in where they start."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from unikeras.checking.plants import plant
from unikeras.checking.plants.patching import after_init, put, wrap

Call = Callable[..., Any]


@plant(
    "another-seed",
    "The initial weights are those of another seed.",
    backend="tensorflow",
    stage="structure",
    looks_like="seed",
)
def another_seed() -> None:
    """Every framework draws other numbers for the same seed."""
    from unikeras.backends import _keras

    wrap(_keras, "seed_weights", lambda original, variables, makers, seed: original(variables, makers, seed + 1))


@plant(
    "biases-start-random",
    "Biases start from random values, not from zero.",
    backend="native-torch",
    stage="structure",
    layer="conv1",
    looks_like="initialiser",
)
def biases_start_random() -> None:
    """What `nn.Linear` and `nn.Conv2d` do when they are left alone."""
    from unikeras.backends.native_torch import Backend

    def build_model(original: Call, self: Any) -> None:
        original(self)
        rng = np.random.default_rng(self.spec.seed)
        values = self.weights()
        biases = {name: rng.uniform(-0.1, 0.1, value.shape) for name, value in values.items() if name.endswith("/bias")}
        self.load_weights({**values, **{name: value.astype(np.float32) for name, value in biases.items()}})

    wrap(Backend, "build_model", build_model)


@plant(
    "layer-frozen",
    "The first layer is frozen.",
    backend="torch",
    stage="structure",
    layer="conv1",
    looks_like="frozen",
)
def layer_frozen() -> None:
    """Left over from fine-tuning."""
    from unikeras.backends import _keras

    def build_model(original: Call, spec: Any) -> Any:
        module, model, outputs = original(spec)
        next(layer for layer in model.layers if layer.weights).trainable = False
        return module, model, outputs

    wrap(_keras, "build_model", build_model)


@plant(
    "bias-missing-from-model",
    "Convolutions have no bias at all.",
    backend="native-tensorflow",
    stage="structure",
    layer="conv1",
    looks_like="missing",
)
def bias_missing_from_model() -> None:
    """`use_bias=False` before a normalisation, in one of two implementations."""
    from unikeras.layers.tensorflow import Conv2D

    after_init(Conv2D, lambda layer: put(layer, "bias", None))


@plant(
    "parameter-renamed",
    "LayerNormalization's parameters keep torch's names.",
    backend="native-torch",
    stage="structure",
    layer="norm3",
    looks_like="renamed",
)
def parameter_renamed() -> None:
    """A kind of layer that the conversion of names doesn't know."""
    from torch import nn

    from unikeras.backends import native_torch

    leaves = [
        (nn.modules.batchnorm._BatchNorm if names is native_torch._NORM else classes, names)
        for classes, names in native_torch._LEAVES
    ]
    put(native_torch, "_LEAVES", leaves)
