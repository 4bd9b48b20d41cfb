"""The update rules in NumPy: the equations of `optimizers.RULES`, in the type of the arrays. No framework has a part in them."""

from __future__ import annotations

import numpy as np

from unikeras.optimizers import OptimizerSpec
from unikeras.weights import Weights


def empty_state(spec: OptimizerSpec, weights: Weights) -> Weights:
    """Slots before the first update, as `Backend.optimizer_state` names them."""
    slots = {f"{slot}/{name}": np.zeros_like(value) for slot in spec.rule.slots for name, value in weights.items()}
    return {**slots, "iterations": np.asarray(0)}


def step(spec: OptimizerSpec, weights: Weights, state: Weights, gradients: Weights, rate: float) -> tuple[Weights, Weights]:
    """One update of all parameters: clip to the joint norm, decay, apply the rule.

    Args:
        weights: The trainable parameters, float64.
        state: As `empty_state` gives it.
        gradients: For each parameter.

    Returns:
        New parameters and new state.
    """
    t = int(state["iterations"]) + 1
    if spec.clip_norm is not None:
        norm = np.sqrt(sum(float(np.sum(np.square(gradient))) for gradient in gradients.values()))
        gradients = {name: gradient * min(1.0, spec.clip_norm / norm) for name, gradient in gradients.items()}
    after, new_state = {}, {"iterations": np.asarray(t)}
    for name, weight in weights.items():
        slots = {slot: state[f"{slot}/{name}"].astype(np.float64) for slot in spec.rule.slots}
        decayed = weight - rate * spec.weight_decay * weight
        after[name], slots = _RULES[spec.rule.family](spec.rule.constants, decayed, gradients[name], slots, rate, t)
        new_state |= {f"{slot}/{name}": value for slot, value in slots.items()}
    return after, new_state


def _sgd(c: dict[str, float], w: np.ndarray, g: np.ndarray, slots: Weights, rate: float, t: int) -> tuple[np.ndarray, Weights]:
    if "momentum" not in c:
        return w - rate * g, {}
    velocity = c["momentum"] * slots["momentum"] - rate * g
    moved = c["momentum"] * velocity - rate * g if "nesterov" in c else velocity
    return w + moved, {"momentum": velocity}


def _adam(c: dict[str, float], w: np.ndarray, g: np.ndarray, slots: Weights, rate: float, t: int) -> tuple[np.ndarray, Weights]:
    m = slots["momentum"] + (g - slots["momentum"]) * (1 - c["beta_1"])
    v = slots["velocity"] + (g * g - slots["velocity"]) * (1 - c["beta_2"])
    alpha = rate * np.sqrt(1 - c["beta_2"] ** t) / (1 - c["beta_1"] ** t)
    return w - alpha * m / (np.sqrt(v) + c["epsilon"]), {"momentum": m, "velocity": v}


def _rmsprop(
    c: dict[str, float], w: np.ndarray, g: np.ndarray, slots: Weights, rate: float, t: int
) -> tuple[np.ndarray, Weights]:
    v = c["rho"] * slots["velocity"] + (1 - c["rho"]) * g * g
    return w - rate * g / np.sqrt(v + c["epsilon"]), {"velocity": v}


_RULES = {"sgd": _sgd, "adam": _adam, "rmsprop": _rmsprop}
