"""Faults in parameters on their way into a backend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from unikeras.checking.plants import plant
from unikeras.checking.plants.patching import wrap

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
    looks_like="beta and gamma are swapped",
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
    looks_like="float16",
)
def weights_in_float16() -> None:
    """A checkpoint that was saved in half precision."""
    from unikeras.backends._keras import KerasModel

    def load_weights(original: Call, self: Any, received: dict[str, np.ndarray]) -> None:
        original(self, {name: value.astype(np.float16).astype(value.dtype) for name, value in received.items()})

    wrap(KerasModel, "load_weights", load_weights)
