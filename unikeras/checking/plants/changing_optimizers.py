"""How plants change what an update rule is made of."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from unikeras.checking.plants.patching import wrap
from unikeras.optimizers import OptimizerSpec, UpdateRule


@dataclasses.dataclass(frozen=True)
class OtherSpec(OptimizerSpec):
    """A spec whose rule is not the one of its name. The records in `RULES` stay, for the check computes with them."""

    other: UpdateRule

    @property
    def rule(self) -> UpdateRule:
        return self.other


def change_spec(steps: Any, change: Callable[[OptimizerSpec], OptimizerSpec]) -> None:
    """The optimisers that a backend makes get another spec.

    Args:
        steps: Module of the backend's steps.
    """
    wrap(steps, "make_optimizer", lambda original, spec, variables: original(change(spec), variables))


def change_constants(steps: Any, family: str, **constants: float) -> None:
    """The optimisers of a family get other constants."""

    def change(spec: OptimizerSpec) -> OptimizerSpec:
        rule = spec.rule
        if rule.family != family or not set(constants) <= set(rule.constants):
            return spec
        other = dataclasses.replace(rule, constants={**rule.constants, **constants})
        return OtherSpec(spec.name, spec.weight_decay, spec.clip_norm, other)

    change_spec(steps, change)


def instead_of(steps: Any, field: str, change: Callable[[Any, float, list[Any], Any], list[Any]]) -> None:
    """Puts `change` in the place of clipping or decay.

    Args:
        field: `clip_norm` or `weight_decay`.
        change: Gets the optimiser, the field's value, gradients and rate, and returns the gradients of the update.
    """

    def make_optimizer(original: Callable[..., Any], spec: OptimizerSpec, variables: list[Any]) -> Any:
        value = getattr(spec, field)
        if not value:
            return original(spec, variables)
        nothing: dict[str, Any] = {"clip_norm": None, "weight_decay": 0.0}
        optimizer = original(dataclasses.replace(spec, **{field: nothing[field]}), variables)
        update = optimizer.update
        optimizer.update = lambda gradients, rate: update(change(optimizer, value, gradients, rate), rate)
        return optimizer

    wrap(steps, "make_optimizer", make_optimizer)
