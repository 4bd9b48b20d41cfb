"""Update rules with every convention as a switch: what implementations of one optimiser differ by."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from unikeras.optimizers import OptimizerSpec
from unikeras.weights import Weights


@dataclasses.dataclass(frozen=True)
class Variant:
    """One way to get an update rule wrong; the defaults are right.

    Attributes:
        words: What a message calls it.
        constants: Other constants of the rule.
        epsilon: "outside", "inside" the root, or in torch's place: beside the corrected root.
        correction: Steps by which the bias correction is late; None leaves it out.
        momentum: "keras", "torch" (velocity without the rate) or "dampened".
        decay: "decoupled", "coupled", "matrices" (biases are left out), "unscaled" (not times the rate), or "none".
        clip: "joint", "each" variable, "values", "torch" (adds 1e-6), or "none".
        slots: "right", "swapped", "empty", or "stale": as if they had not been loaded.
        rate: Factor on the learning rate.
        repeats: Updates instead of one.
        weight_decay: Another λ.
    """

    words: str
    constants: dict[str, Any] = dataclasses.field(default_factory=dict)
    epsilon: str | None = None
    correction: int | None = 0
    momentum: str = "keras"
    decay: str = "decoupled"
    clip: str = "joint"
    slots: str = "right"
    iterations: int | None = None
    rate: float = 1.0
    repeats: int = 1
    weight_decay: float | None = None


def variants(spec: OptimizerSpec) -> Iterator[Variant]:
    """The mistakes that concern a rule."""
    constants = spec.rule.constants
    for epsilon in (1e-8, 1e-7, 1e-6, 1e-5, 1e-3, 1e-10, 0.0):
        if constants.get("epsilon", epsilon) != epsilon:
            words = f"epsilon {epsilon:g} instead of {constants['epsilon']:g}"
            yield Variant(words, {"epsilon": epsilon})
    if spec.rule.family == "adam":
        yield from _of_adam(constants)
    if spec.rule.family == "rmsprop":
        yield Variant("epsilon outside the root", epsilon="outside")
        yield from (Variant(f"rho {rho:g} instead of {constants['rho']:g}", {"rho": rho}) for rho in (0.99, 0.95, 0.999))
    if "momentum" in constants:
        yield from _of_momentum(constants)
    if spec.weight_decay:
        yield Variant("weight decay is coupled (added to the gradient)", decay="coupled")
        yield Variant("weight decay skips biases and other vectors", decay="matrices")
        yield Variant("weight decay is not multiplied by the learning rate", decay="unscaled")
        yield Variant("weight decay is missing", decay="none")
        yield Variant("weight decay is applied twice", decay="twice")
        for decay in (0.01, 0.004, 0.001, 1e-4, 0.1):
            if decay != spec.weight_decay:
                yield Variant(f"weight decay {decay:g} instead of {spec.weight_decay:g}", weight_decay=decay)
    if spec.clip_norm is not None:
        yield Variant("clipping per variable instead of the joint norm", clip="each")
        yield Variant("clipping by value instead of the norm", clip="values")
        yield Variant("clipping with torch's 1e-6", clip="torch")
        yield Variant("clipping is missing", clip="none")
    yield from _of_state(spec)


def _of_adam(constants: dict[str, Any]) -> Iterator[Variant]:
    yield Variant("epsilon in torch's place, beside the corrected root", epsilon="torch")
    yield Variant("epsilon 1e-08 in torch's place, beside the corrected root", {"epsilon": 1e-8}, epsilon="torch")
    yield Variant("epsilon inside the root", epsilon="inside")
    yield Variant("no bias correction", correction=None)
    yield Variant("bias correction one step late", correction=-1)
    yield Variant("bias correction one step early", correction=1)
    for name, others in {"beta_1": (0.95, 0.8, 0.99, 0.5), "beta_2": (0.99, 0.9, 0.9999, 0.95)}.items():
        yield from (Variant(f"{name} {value:g} instead of {constants[name]:g}", {name: value}) for value in others)
    yield Variant("beta_1 and beta_2 swapped", {"beta_1": constants["beta_2"], "beta_2": constants["beta_1"]})


def _of_momentum(constants: dict[str, Any]) -> Iterator[Variant]:
    yield Variant("momentum in torch's convention: the velocity does not contain the learning rate", momentum="torch")
    yield Variant("dampened momentum", momentum="dampened")
    # Before the constants: from an empty velocity, plain momentum looks as Nesterov's with a momentum of 0 does.
    if "nesterov" in constants:
        yield Variant("plain momentum instead of Nesterov's", {"nesterov": False})
    else:
        yield Variant("Nesterov's momentum instead of the plain one", {"nesterov": True})
    for value in (0.99, 0.95, 0.8, 0.5, 0.0):
        yield Variant(f"momentum {value:g} instead of {constants['momentum']:g}", {"momentum": value})


def _of_state(spec: OptimizerSpec) -> Iterator[Variant]:
    if len(spec.rule.slots) > 1:
        yield Variant("slots swapped", slots="swapped")
    if spec.rule.slots:
        yield Variant("slots are not loaded", slots="empty")
    yield Variant("the update is applied twice", repeats=2)
    yield Variant("no update", rate=0.0)
    yield Variant("the learning rate does not drop", rate=10.0)
    yield Variant("the learning rate is halved", rate=0.5)
    yield Variant("the learning rate is doubled", rate=2.0)
    yield Variant("the step goes uphill", rate=-1.0)


def step(
    variant: Variant, spec: OptimizerSpec, weights: Weights, state: Weights, gradients: Weights, rate: float
) -> tuple[Weights, Weights]:
    """One wrong update of all parameters, as `numpy_optimizers.step` is the right one."""
    rate = rate * variant.rate
    t = (int(state["iterations"]) if variant.iterations is None else variant.iterations) + 1
    gradients = _clipped(variant, spec, gradients)
    after, new_state = {}, {"iterations": np.asarray(t + variant.repeats - 1)}
    for name, weight in weights.items():
        slots = _slots(variant, spec, state, name)
        value = np.asarray(weight, np.float64)
        for repeat in range(variant.repeats):
            value, gradient = _decayed(variant, spec, value, gradients[name], rate)
            value, slots = _update(variant, spec, value, gradient, slots, rate, t + repeat)
        after[name] = value
        new_state |= {f"{slot}/{name}": content for slot, content in slots.items()}
    return after, new_state


def _clipped(variant: Variant, spec: OptimizerSpec, gradients: Weights) -> Weights:
    limit = spec.clip_norm
    if limit is None or variant.clip == "none":
        return gradients
    if variant.clip == "values":
        return {name: np.clip(value, -limit, limit) for name, value in gradients.items()}
    joint = float(np.sqrt(sum(float(np.square(value).sum()) for value in gradients.values())))
    norms = {name: float(np.linalg.norm(value)) if variant.clip == "each" else joint for name, value in gradients.items()}
    extra = 1e-6 if variant.clip == "torch" else 0.0
    return {name: value * min(1.0, limit / (norms[name] + extra)) for name, value in gradients.items()}


def _slots(variant: Variant, spec: OptimizerSpec, state: Weights, name: str) -> Weights:
    slots = {slot: state[f"{slot}/{name}"].astype(np.float64) for slot in spec.rule.slots}
    if variant.slots == "swapped":
        return dict(zip(slots, reversed(slots.values()), strict=True))
    return {slot: np.zeros_like(value) for slot, value in slots.items()} if variant.slots == "empty" else slots


def _decayed(
    variant: Variant, spec: OptimizerSpec, weight: np.ndarray, gradient: np.ndarray, rate: float
) -> tuple[np.ndarray, np.ndarray]:
    decay = spec.weight_decay if variant.weight_decay is None else variant.weight_decay
    if variant.decay == "coupled":
        return weight, gradient + decay * weight
    if variant.decay == "none" or (variant.decay == "matrices" and weight.ndim < 2):
        return weight, gradient
    if variant.decay == "unscaled":
        return weight * (1 - decay), gradient
    return weight * (1 - rate * decay) ** (2 if variant.decay == "twice" else 1), gradient


def _update(
    variant: Variant, spec: OptimizerSpec, w: np.ndarray, g: np.ndarray, slots: Weights, rate: float, t: int
) -> tuple[np.ndarray, Weights]:
    c: dict[str, Any] = {**spec.rule.constants, **variant.constants}
    if spec.rule.family == "adam":
        return _adam(variant, c, w, g, slots, rate, t)
    if spec.rule.family == "rmsprop":
        v = c["rho"] * slots["velocity"] + (1 - c["rho"]) * g * g
        root = np.sqrt(v) + c["epsilon"] if variant.epsilon == "outside" else np.sqrt(v + c["epsilon"])
        return w - rate * g / root, {"velocity": v}
    return _sgd(variant, c, w, g, slots, rate)


def _adam(
    variant: Variant, c: dict[str, Any], w: np.ndarray, g: np.ndarray, slots: Weights, rate: float, t: int
) -> tuple[np.ndarray, Weights]:
    m = slots["momentum"] + (g - slots["momentum"]) * (1 - c["beta_1"])
    v = slots["velocity"] + (g * g - slots["velocity"]) * (1 - c["beta_2"])
    count = None if variant.correction is None else max(t + variant.correction, 1)
    first, second = (1.0, 1.0) if count is None else (1 - c["beta_1"] ** count, 1 - c["beta_2"] ** count)
    if variant.epsilon == "inside":
        root = np.sqrt(v + c["epsilon"])
    elif variant.epsilon == "torch":
        root = np.sqrt(v) + c["epsilon"] * np.sqrt(second)
    else:
        root = np.sqrt(v) + c["epsilon"]
    with np.errstate(invalid="ignore", divide="ignore"):
        return w - rate * np.sqrt(second) / first * m / root, {"momentum": m, "velocity": v}


def _sgd(
    variant: Variant, c: dict[str, Any], w: np.ndarray, g: np.ndarray, slots: Weights, rate: float
) -> tuple[np.ndarray, Weights]:
    if "momentum" not in c:
        return w - rate * g, {}
    if variant.momentum == "torch":
        velocity = c["momentum"] * slots["momentum"] + g
        return w - rate * velocity, {"momentum": velocity}
    share = 1 - c["momentum"] if variant.momentum == "dampened" else 1.0
    velocity = c["momentum"] * slots["momentum"] - rate * share * g
    return w + (c["momentum"] * velocity - rate * g if c.get("nesterov") else velocity), {"momentum": velocity}
