"""Faults in RMSprop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from unikeras.checking.plants import plant
from unikeras.checking.plants.changing_optimizers import change_constants
from unikeras.checking.plants.patching import put, wrap
from unikeras.optimizers import OptimizerSpec


@plant(
    "rmsprop-epsilon-outside-root",
    "RMSprop divides by the root of the velocity plus epsilon, as torch does; Keras has epsilon inside the root.",
    backend="native-torch",
    stage="optimizer",
    looks_like="epsilon outside the root",
    optimizer="rmsprop",
)
def rmsprop_epsilon_outside() -> None:
    """`torch.optim.RMSprop` with Keras' constants."""
    import torch

    from unikeras.backends._torch_optimizers import RmsProp

    def update(self: Any, gradients: list[Any], learning_rate: float) -> None:
        constants, velocities = self.spec.rule.constants, self.slots["velocity"]
        torch._foreach_mul_(velocities, constants["rho"])
        torch._foreach_addcmul_(velocities, gradients, gradients, value=1 - constants["rho"])
        denominators = torch._foreach_sqrt(velocities)
        torch._foreach_add_(denominators, constants["epsilon"])
        torch._foreach_addcdiv_(self.parameters, gradients, denominators, value=-learning_rate)

    put(RmsProp, "update", update)


@plant(
    "rmsprop-rho-0.99",
    "RMSprop with torch's default alpha, 0.99, where Keras' rho is 0.9.",
    backend="torch",
    stage="optimizer",
    looks_like="rho 0.99",
    optimizer="rmsprop",
)
def rmsprop_rho() -> None:
    """The default of `torch.optim.RMSprop`."""
    from unikeras.backends import _torch

    change_constants(_torch, "rmsprop", rho=0.99)


@plant(
    "rmsprop-starts-at-ones",
    "RMSprop's velocity starts at one, not at zero, so that a run begins with small steps.",
    backend="native-tensorflow",
    stage="trajectory",
    looks_like="slots start at 1",
    optimizer="rmsprop",
)
def rmsprop_starts_at_ones() -> None:
    """As in `tf.compat.v1.train.RMSPropOptimizer`. Every update is right; only a real run starts from a backend's own slots."""
    import tensorflow as tf

    from unikeras.backends import _tensorflow

    def make_optimizer(original: Callable[..., Any], spec: OptimizerSpec, variables: list[Any]) -> Any:
        optimizer = original(spec, variables)
        if spec.rule.family == "rmsprop":
            for slot in optimizer.slots["velocity"]:
                slot.assign(tf.ones_like(slot))
        return optimizer

    wrap(_tensorflow, "make_optimizer", make_optimizer)
