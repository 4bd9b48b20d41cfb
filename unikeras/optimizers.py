"""Update rules and learning-rate schedules, as records that every backend follows.

The equations are those of Keras 3 (keras/src/optimizers), which define the result on every backend: g gradient, θ parameter,
η learning rate, t the step counted from 1. Around each rule Keras first scales the gradients to a joint norm of at most
`clip_norm`, then decays every parameter by θ ← θ − η·λ·θ (decoupled, Loshchilov & Hutter 2019, arXiv:1711.05101).
"""

from __future__ import annotations

import dataclasses
import math


@dataclasses.dataclass(frozen=True)
class UpdateRule:
    """One optimiser.

    Attributes:
        family: Rules of one family share their equation: sgd, adam or rmsprop.
        slots: State per parameter, by Keras' names.
        constants: Keras' default constants of the rule.
        weight_decay: Default λ.
        equation: The update in words of the module's docstring.
    """

    family: str
    equation: str
    slots: tuple[str, ...] = ()
    constants: dict[str, float] = dataclasses.field(default_factory=dict)
    weight_decay: float = 0.0


_ADAM = "m ← m + (g − m)(1 − β₁); v ← v + (g² − v)(1 − β₂); θ ← θ − η·√(1 − β₂ᵗ)/(1 − β₁ᵗ)·m/(√v + ε)"
_ADAM_CONSTANTS = {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7}

RULES = {
    "sgd": UpdateRule("sgd", "θ ← θ − η·g"),
    "momentum": UpdateRule("sgd", "v ← μ·v − η·g; θ ← θ + v", ("momentum",), {"momentum": 0.9}),
    "nesterov": UpdateRule("sgd", "v ← μ·v − η·g; θ ← θ + μ·v − η·g", ("momentum",), {"momentum": 0.9, "nesterov": True}),
    "adam": UpdateRule("adam", _ADAM, ("momentum", "velocity"), _ADAM_CONSTANTS),
    "adamw": UpdateRule("adam", _ADAM, ("momentum", "velocity"), _ADAM_CONSTANTS, weight_decay=0.004),
    "rmsprop": UpdateRule("rmsprop", "v ← ρ·v + (1 − ρ)·g²; θ ← θ − η·g/√(v + ε)", ("velocity",), {"rho": 0.9, "epsilon": 1e-7}),
}


@dataclasses.dataclass(frozen=True)
class OptimizerSpec:
    """A rule with the settings around it.

    Attributes:
        name: Key of `RULES`.
        weight_decay: λ; 0 is none.
        clip_norm: Largest joint norm of the gradients; None is no limit.
    """

    name: str
    weight_decay: float
    clip_norm: float | None

    @property
    def rule(self) -> UpdateRule:
        return RULES[self.name]

    @staticmethod
    def of(name: str, weight_decay: float | None, clip_norm: float | None) -> OptimizerSpec:
        """The spec that settings mean; no weight decay given means the rule's default."""
        return OptimizerSpec(name, RULES[name].weight_decay if weight_decay is None else weight_decay, clip_norm)


@dataclasses.dataclass(frozen=True)
class Schedule:
    """Learning rate over the steps, evaluated at the 0-based step as Keras evaluates it at `iterations`.

    `cosine` equals keras.optimizers.schedules.CosineDecay(0, total − warmup, warmup_target=peak, warmup_steps=warmup) (Loshchilov
    & Hutter 2017, arXiv:1608.03983, without restarts). `step` is a tenth after 1/2 of the steps and a hundredth after 3/4, with
    Keras' PiecewiseConstantDecay convention that a boundary still belongs to the old rate (the plan of He et al. 2016,
    arXiv:1512.03385, section 4.2).
    """

    kind: str
    peak: float
    total_steps: int
    warmup_steps: int = 0

    def __call__(self, step: int) -> float:
        if step < self.warmup_steps:
            return self.peak * step / self.warmup_steps
        if self.kind == "cosine":
            decay_steps = max(1, self.total_steps - self.warmup_steps)
            return self.peak * 0.5 * (1 + math.cos(math.pi * min(1.0, (step - self.warmup_steps) / decay_steps)))
        if self.kind == "step":
            drops = (step > self.total_steps // 2) + (step > self.total_steps * 3 // 4)
            return self.peak * 0.1**drops
        return self.peak
