"""Faults in an optimiser's state on its way into a backend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from unikeras.checking.plants import plant
from unikeras.checking.plants.patching import put, wrap

Call = Callable[..., Any]


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
    looks_like="slots are transposed",
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
