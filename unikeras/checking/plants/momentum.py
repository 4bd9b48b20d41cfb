"""Faults in momentum."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from unikeras.checking.plants import plant
from unikeras.checking.plants.changing_optimizers import change_constants, change_spec
from unikeras.checking.plants.patching import put, wrap
from unikeras.optimizers import OptimizerSpec


@plant(
    "momentum-without-rate",
    "Momentum in torch's convention: the velocity does not contain the learning rate, so that a drop of the rate acts at once.",
    backend="native-torch",
    stage="optimizer",
    looks_like="does not contain the learning rate",
    optimizer="momentum",
)
def momentum_without_rate() -> None:
    """`torch.optim.SGD(momentum=0.9)`: equal to Keras' at a constant rate."""
    import torch

    from unikeras.backends._torch_optimizers import Sgd

    def update(self: Any, gradients: list[Any], learning_rate: float) -> None:
        velocities = self.slots["momentum"]
        torch._foreach_mul_(velocities, self.spec.rule.constants["momentum"])
        torch._foreach_add_(velocities, gradients)
        torch._foreach_add_(self.parameters, velocities, alpha=-learning_rate)

    put(Sgd, "update", update)


@plant(
    "momentum-0.99",
    "Momentum of 0.99 instead of 0.9.",
    backend="tensorflow",
    stage="optimizer",
    looks_like="momentum 0.99",
    optimizer="momentum",
)
def momentum_constant() -> None:
    """A nine too many."""
    from unikeras.backends import _tensorflow

    change_constants(_tensorflow, "sgd", momentum=0.99)


@plant(
    "momentum-dampened",
    "The gradient enters the velocity times one minus momentum, as in a mean.",
    backend="torch",
    stage="optimizer",
    looks_like="dampened",
    optimizer="momentum",
)
def momentum_dampened() -> None:
    """`torch.optim.SGD(dampening=0.9)`, or Adam's first moment taken for momentum."""
    from unikeras.backends._torch_optimizers import Sgd

    def update(original: Callable[..., None], self: Any, gradients: list[Any], learning_rate: float) -> None:
        share = 1 - self.spec.rule.constants.get("momentum", 0.0)
        original(self, [share * gradient for gradient in gradients], learning_rate)

    wrap(Sgd, "update", update)


@plant(
    "nesterov-is-plain",
    "Nesterov's momentum is asked for, and plain momentum is what happens.",
    backend="native-tensorflow",
    stage="optimizer",
    looks_like="plain momentum",
    optimizer="nesterov",
)
def nesterov_is_plain() -> None:
    """The flag gets lost on the way to the optimiser."""
    from unikeras.backends import _tensorflow

    def change(spec: OptimizerSpec) -> OptimizerSpec:
        return dataclasses.replace(spec, name="momentum") if spec.name == "nesterov" else spec

    change_spec(_tensorflow, change)
