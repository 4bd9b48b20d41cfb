"""Every optimiser does Keras' arithmetic on every backend: against NumPy, by the equations in unikeras/optimizers.py."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support import MODEL_FILES, Probe

from unikeras.optimizers import RULES, OptimizerSpec, Schedule

RATES = [0.1, 0.1, 0.1, 0.01, 0.01, 0.02]  # a rate that drops tells Keras' momentum from torch's
BATCHES = [(0, 6), (6, 12), (12, 16), (0, 6), (6, 12), (12, 16)]  # the last one of an epoch is smaller
SMOOTHING = 0.1


@pytest.fixture(scope="session")
def case() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {
        "model": str(MODEL_FILES / "linear.py"),
        "images": rng.normal(size=(16, 1, 1, 4)).tolist(),
        "labels": rng.integers(0, 3, 16).tolist(),
        "weights": {"conv/kernel": rng.normal(size=(1, 1, 4, 3)).tolist(), "conv/bias": rng.normal(size=3).tolist()},
        "batches": BATCHES,
        "rates": RATES,
        "label_smoothing": SMOOTHING,
        "weight_decay": 0.05,
        "clip_norm": 0.3,
    }


def gradients(case: dict[str, Any], weights: dict[str, np.ndarray], start: int, stop: int) -> dict[str, np.ndarray]:
    """Of the mean cross-entropy of softmax(x·W + b) with smoothed targets: xᵀ(p − q)/B and Σ(p − q)/B."""
    x = np.array(case["images"])[start:stop].reshape(stop - start, -1)
    logits = x @ weights["conv/kernel"][0, 0] + weights["conv/bias"]
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    q = np.eye(3)[np.array(case["labels"])[start:stop]] * (1 - SMOOTHING) + SMOOTHING / 3
    difference = (p - q) / len(x)
    return {"conv/kernel": (x.T @ difference)[None, None], "conv/bias": difference.sum(axis=0)}


def update(spec: OptimizerSpec, w: np.ndarray, g: np.ndarray, s: dict[str, np.ndarray], rate: float, t: int) -> np.ndarray:
    """The parameter after one step of the rule; the slots are changed in place."""
    c = spec.rule.constants
    if spec.rule.family == "adam":
        s["momentum"] += (g - s["momentum"]) * (1 - c["beta_1"])
        s["velocity"] += (g**2 - s["velocity"]) * (1 - c["beta_2"])
        alpha = rate * np.sqrt(1 - c["beta_2"] ** t) / (1 - c["beta_1"] ** t)
        return w - alpha * s["momentum"] / (np.sqrt(s["velocity"]) + c["epsilon"])
    if spec.rule.family == "rmsprop":
        s["velocity"] += (g**2 - s["velocity"]) * (1 - c["rho"])
        return w - rate * g / np.sqrt(s["velocity"] + c["epsilon"])
    if "momentum" not in c:
        return w - rate * g
    s["momentum"] *= c["momentum"]
    s["momentum"] -= rate * g
    return w + (c["momentum"] * s["momentum"] - rate * g if "nesterov" in c else s["momentum"])


def by_hand(case: dict[str, Any], spec: OptimizerSpec) -> dict[str, np.ndarray]:
    weights = {name: np.array(value) for name, value in case["weights"].items()}
    slots = {name: {slot: np.zeros_like(value) for slot in spec.rule.slots} for name, value in weights.items()}
    for t, ((start, stop), rate) in enumerate(zip(BATCHES, RATES, strict=True), start=1):
        g = gradients(case, weights, start, stop)
        if spec.clip_norm:
            norm = np.sqrt(sum((value**2).sum() for value in g.values()))
            g = {name: value * min(1.0, spec.clip_norm / norm) for name, value in g.items()}
        for name, value in weights.items():
            decayed = value - rate * spec.weight_decay * value
            weights[name] = update(spec, decayed, g[name], slots[name], rate, t)
    named = {f"{slot}/{name}": value for name, parts in slots.items() for slot, value in parts.items()}
    return {**weights, **named, "iterations": np.array(len(RATES))}


@pytest.mark.parametrize("variant", ["plain", "full"])
@pytest.mark.parametrize("optimizer", RULES)
def test_updates_and_slots_follow_the_equations(
    backend: str, optimizer: str, variant: str, probe: Probe, case: dict[str, Any]
) -> None:
    arrays = probe("optimizers", backend, **case)
    full = variant == "full"
    spec = OptimizerSpec(optimizer, case["weight_decay"] if full else 0.0, case["clip_norm"] if full else None)
    expected = by_hand(case, spec)
    received = {name.split(":", 2)[2]: array for name, array in arrays.items() if name.startswith(f"{optimizer}:{variant}:")}
    assert received.keys() == expected.keys()
    for name, value in expected.items():
        error = np.abs(received[name] - value).max()
        assert error <= 1e-12 * np.abs(value).max(), name


@pytest.mark.parametrize("optimizer", RULES)
@pytest.mark.parametrize("framework", ["tensorflow", "torch"])
def test_updates_in_float32_are_those_of_keras_own_optimizers(framework: str, optimizer: str, probe: Probe) -> None:
    """To the bit on TensorFlow; torch's fused kernels round elsewhere, by up to 2e-5 of a step (1 − β₂ᵗ in float32 in Keras)."""
    arrays = probe("keras_optimizers", framework)
    theirs = {name: array for name, array in arrays.items() if name.startswith(f"theirs:{optimizer}:")}
    assert len(theirs) == 4
    for name, array in theirs.items():
        ours = arrays[name.replace("theirs", "ours")]
        if framework == "tensorflow":
            np.testing.assert_array_equal(ours, array, err_msg=name)
        else:
            np.testing.assert_allclose(ours, array, rtol=0, atol=2e-5 * sum(RATES), err_msg=name)


@pytest.mark.parametrize("optimizer", RULES)
def test_a_loaded_state_goes_on_to_the_bit(backend: str, optimizer: str, probe: Probe, case: dict[str, Any]) -> None:
    arrays = probe("optimizers", backend, **case)
    unbroken = {name: array for name, array in arrays.items() if name.startswith(f"unbroken:{optimizer}:")}
    assert unbroken
    for name, array in unbroken.items():
        np.testing.assert_array_equal(array, arrays[name.replace("unbroken", "resumed", 1)], err_msg=name)


def test_the_clip_norm_of_the_case_really_clips(case: dict[str, Any]) -> None:
    weights = {name: np.array(value) for name, value in case["weights"].items()}
    norm = np.sqrt(sum((value**2).sum() for value in gradients(case, weights, *BATCHES[0]).values()))
    assert norm > case["clip_norm"]


def test_adamw_decays_by_default_and_no_other_rule_does() -> None:
    assert OptimizerSpec.of("adamw", None, None).weight_decay == 0.004
    assert OptimizerSpec.of("adamw", 0.0, None).weight_decay == 0
    assert {OptimizerSpec.of(name, None, None).weight_decay for name in RULES if name != "adamw"} == {0.0}


@pytest.mark.parametrize("warmup", [0, 7])
def test_schedules_equal_those_of_keras(probe: Probe, warmup: int) -> None:
    keras_rates = probe("schedules", "tensorflow")
    for kind in ("cosine", "step"):
        if kind == "step" and warmup:
            continue  # Keras has no warm-up before PiecewiseConstantDecay
        ours = [Schedule(kind, 0.1, 40, warmup)(step) for step in range(50)]
        # Keras computes them in float32, whose cosine near π is off by 1e-7 of the peak.
        np.testing.assert_allclose(ours, keras_rates[f"{kind}{warmup}"], rtol=0, atol=1e-7 * 0.1)


def test_warm_up_rises_from_zero_to_the_peak() -> None:
    rate = Schedule("constant", 0.1, 40, 4)
    np.testing.assert_allclose([rate(step) for step in range(6)], [0, 0.025, 0.05, 0.075, 0.1, 0.1])
