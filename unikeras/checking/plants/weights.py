"""Faults in parameters and slots: names, layouts, initial values, loading."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from unikeras.checking.plants import plant
from unikeras.checking.plants.patching import after_init, put, wrap

Call = Callable[..., Any]


@plant(
    "dense-kernel-transposed",
    "Square Dense kernels are taken as out×in, not as in×out.",
    backend="native-torch",
    stage="forward",
    layer="dense2",
    looks_like="transposed",
)
def dense_kernel_transposed() -> None:
    """A conversion that transposes only where shapes don't fit: a square kernel always does."""
    from unikeras.backends import native_torch

    def kernel_last(original: Call, tensor: Any) -> Any:
        square = tensor.ndim == 2 and tensor.shape[0] == tensor.shape[1]
        return tensor if square else original(tensor)

    wrap(native_torch, "_kernel_last", kernel_last)


@plant(
    "conv-kernel-rows-and-columns",
    "Convolution kernels come in with rows and columns swapped.",
    backend="native-torch",
    stage="forward",
    layer="conv1",
    looks_like="rows and columns",
)
def conv_kernel_rows_and_columns() -> None:
    """`kernel.T` for `kernel.transpose(3, 2, 0, 1)`: HWIO becomes OIWH."""
    from unikeras.backends import native_torch

    def kernel_last(original: Call, tensor: Any) -> Any:
        return tensor.permute(3, 2, 1, 0) if tensor.ndim == 4 else original(tensor)

    wrap(native_torch, "_kernel_last", kernel_last)


@plant(
    "conv-kernel-inputs-and-outputs",
    "Convolution kernels with as many inputs as outputs come in with the two swapped.",
    backend="native-torch",
    stage="forward",
    layer="conv2",
    looks_like="inputs and outputs",
)
def conv_kernel_inputs_and_outputs() -> None:
    """HWIO taken for HWOI; where the numbers differ, shapes would have told."""
    from unikeras.backends import native_torch

    def kernel_last(original: Call, tensor: Any) -> Any:
        square = tensor.ndim == 4 and tensor.shape[0] == tensor.shape[1]
        return tensor.permute(2, 3, 0, 1) if square else original(tensor)

    wrap(native_torch, "_kernel_last", kernel_last)


@plant(
    "gamma-and-beta-swapped",
    "Loaded weights of a normalisation go to the wrong ones of its parameters.",
    backend="tensorflow",
    stage="forward",
    layer="norm1",
)
def gamma_and_beta_swapped() -> None:
    """Weights assigned in the order of a file, between parameters of one shape."""
    from unikeras.backends._keras import KerasModel

    other = {"gamma": "beta", "beta": "gamma"}

    def load_weights(original: Call, self: Any, received: dict[str, np.ndarray]) -> None:
        def source(name: str) -> str:
            path, _, leaf = name.rpartition("/")
            return f"{path}/{other.get(leaf, leaf)}"

        original(self, {name: received[source(name)] for name in received})

    wrap(KerasModel, "load_weights", load_weights)


@plant(
    "weights-in-float16",
    "Loaded weights have been through float16.",
    backend="torch",
    stage="forward",
    layer="conv1",
)
def weights_in_float16() -> None:
    """A checkpoint that was saved in half precision."""
    from unikeras.backends._keras import KerasModel

    def load_weights(original: Call, self: Any, received: dict[str, np.ndarray]) -> None:
        original(self, {name: value.astype(np.float16).astype(value.dtype) for name, value in received.items()})

    wrap(KerasModel, "load_weights", load_weights)


@plant(
    "slots-swapped",
    "Adam's two slots are loaded into each other's places.",
    backend="torch",
    stage="optimizer",
    looks_like="slots swapped",
)
def slots_swapped() -> None:
    """A list of slots that is in another order than the file's."""
    from unikeras.backends._torch import TorchSteps

    other = {"momentum": "velocity", "velocity": "momentum"}

    def load(original: Call, self: Any, state: dict[str, np.ndarray]) -> None:
        def source(name: str) -> str:
            slot, slash, rest = name.partition("/")
            return f"{other.get(slot, slot)}{slash}{rest}"

        original(self, {name: state[source(name)] for name in state})

    wrap(TorchSteps, "load_optimizer_state", load)


@plant(
    "slots-transposed",
    "Slots of square kernels are handed out and taken in torch's layout.",
    backend="native-torch",
    stage="optimizer",
    layer="dense2",
)
def slots_transposed() -> None:
    """Weights are converted and their slots are forgotten."""
    from unikeras.backends._torch import TorchSteps

    def slots(original: Call, self: Any) -> dict[str, Any]:
        def turned(slot: Any) -> Any:
            return slot.T if slot.ndim == 2 and slot.shape[0] == slot.shape[1] else slot

        return {name: turned(slot) for name, slot in original(self).items()}

    wrap(TorchSteps, "_slots", slots)


@plant(
    "slots-not-loaded",
    "Slots are not loaded: the optimiser goes on with those it has.",
    backend="native-tensorflow",
    stage="optimizer",
    looks_like="not loaded",
)
def slots_not_loaded() -> None:
    """Keras' `load_own_variables` only warns where the number of slots differs, and skips them all."""
    from unikeras.backends._tensorflow import TensorFlowSteps

    def load(original: Call, self: Any, state: dict[str, np.ndarray]) -> None:
        original(self, {**self.optimizer_state(), "iterations": state["iterations"]})

    wrap(TensorFlowSteps, "load_optimizer_state", load)


@plant(
    "iterations-not-loaded",
    "The number of updates is not loaded, so that the bias correction starts anew.",
    backend="native-torch",
    stage="optimizer",
    looks_like="count of updates is not loaded",
)
def iterations_not_loaded() -> None:
    """Slots come from a checkpoint, and the step counter beside them is forgotten."""
    from unikeras.backends._torch_optimizers import Adam

    put(Adam, "resume_at", lambda self, iterations: None)


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
        module, model = original(spec)
        next(layer for layer in model.layers if layer.weights).trainable = False
        return module, model

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
