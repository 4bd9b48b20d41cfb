"""Every optimiser does Keras' arithmetic on every backend: against NumPy, by the equations in unikeras/optimizers.py."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support import MODEL_FILES

from unikeras import factory
from unikeras.backends.base import Backend
from unikeras.optimizers import RULES, OptimizerSpec, Schedule
from unikeras.settings import Settings

Arrays = dict[str, np.ndarray]

RATES = [0.1, 0.1, 0.1, 0.01, 0.01, 0.02]  # a rate that drops tells Keras' momentum from torch's
BATCHES = [(0, 6), (6, 12), (12, 16), (0, 6), (6, 12), (12, 16)]  # the last one of an epoch is smaller
SMOOTHING = 0.1
VARIANTS: dict[str, dict[str, float]] = {"plain": {"weight_decay": 0.0}, "full": {"weight_decay": 0.05, "clip_norm": 0.3}}

rng = np.random.default_rng(0)
IMAGES = rng.normal(size=(16, 1, 1, 4))
LABELS = rng.integers(0, 3, 16)
WEIGHTS = {"conv/kernel": rng.normal(size=(1, 1, 4, 3)), "conv/bias": rng.normal(size=3)}


def make_backend(name: str, optimizer: str, variant: str) -> Backend:
    """A linear model in float64."""
    inputs = {"shape": [1, 1, 4], "dtype": "float64", "class_names": list("abc"), "scale": 1.0, "offset": 0.0}
    settings = Settings(model=str(MODEL_FILES / "linear.py"), dtype="float64", label_smoothing=SMOOTHING)
    return factory.make_backend(dataclasses.replace(settings, optimizer=optimizer, **VARIANTS[variant]), name, inputs)


def trained(name: str, optimizer: str, variant: str) -> Backend:
    backend = make_backend(name, optimizer, variant)
    backend.load_weights(WEIGHTS)
    for (start, stop), rate in zip(BATCHES, RATES, strict=True):
        backend.train_step(IMAGES[start:stop], LABELS[start:stop], rate)
    return backend


def state(backend: Backend) -> Arrays:
    return {**backend.weights(), **backend.optimizer_state()}


def gradients(weights: Arrays, start: int, stop: int) -> Arrays:
    """Of the mean cross-entropy of softmax(x·W + b) with smoothed targets: xᵀ(p − q)/B and Σ(p − q)/B."""
    x = IMAGES[start:stop].reshape(stop - start, -1)
    logits = x @ weights["conv/kernel"][0, 0] + weights["conv/bias"]
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    q = np.eye(3)[LABELS[start:stop]] * (1 - SMOOTHING) + SMOOTHING / 3
    difference = (p - q) / len(x)
    return {"conv/kernel": (x.T @ difference)[None, None], "conv/bias": difference.sum(axis=0)}


def update(spec: OptimizerSpec, w: np.ndarray, g: np.ndarray, s: Arrays, rate: float, t: int) -> np.ndarray:
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


def by_hand(spec: OptimizerSpec) -> Arrays:
    weights = dict(WEIGHTS)
    slots = {name: {slot: np.zeros_like(value) for slot in spec.rule.slots} for name, value in weights.items()}
    for t, ((start, stop), rate) in enumerate(zip(BATCHES, RATES, strict=True), start=1):
        g = gradients(weights, start, stop)
        if spec.clip_norm:
            norm = np.sqrt(sum((value**2).sum() for value in g.values()))
            g = {name: value * min(1.0, spec.clip_norm / norm) for name, value in g.items()}
        for name, value in weights.items():
            decayed = value - rate * spec.weight_decay * value
            weights[name] = update(spec, decayed, g[name], slots[name], rate, t)
    named = {f"{slot}/{name}": value for name, parts in slots.items() for slot, value in parts.items()}
    return {**weights, **named, "iterations": np.array(len(RATES))}


@pytest.mark.each_backend
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("optimizer", RULES)
def test_updates_and_slots_follow_the_equations(backend: str, optimizer: str, variant: str) -> None:
    received = state(trained(backend, optimizer, variant))
    expected = by_hand(OptimizerSpec(optimizer, VARIANTS[variant]["weight_decay"], VARIANTS[variant].get("clip_norm")))
    assert received.keys() == expected.keys()
    for name, value in expected.items():
        error = np.abs(received[name] - value).max()
        assert error <= 1e-12 * np.abs(value).max(), name


@pytest.mark.each_backend
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("optimizer", RULES)
def test_a_loaded_state_goes_on_to_the_bit(backend: str, optimizer: str, variant: str) -> None:
    unbroken, resumed = trained(backend, optimizer, variant), make_backend(backend, optimizer, variant)
    resumed.load_weights(unbroken.weights())
    resumed.load_optimizer_state(unbroken.optimizer_state())
    for model in (unbroken, resumed):
        model.train_step(IMAGES, LABELS, 0.01)
    expected, received = state(unbroken), state(resumed)
    assert received.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(received[name], array, err_msg=name)


def our_step(backend: str, spec: OptimizerSpec, variables: list[Any]) -> Callable[[list[Any], float], None]:
    """A step of our optimiser: TensorFlow's takes gradients, torch's finds them at the parameters."""
    optimizers = importlib.import_module(f"unikeras.backends._{backend}_optimizers")
    optimizer = optimizers.make_optimizer(spec, [variable.value for variable in variables])
    if backend == "tensorflow":
        return lambda gradients, rate: optimizer.step(gradients, np.float32(rate))

    def step(gradients: list[Any], rate: float) -> None:
        for variable, gradient in zip(variables, gradients, strict=True):
            variable.value.grad = gradient
        optimizer.step(float(np.float32(rate)))

    return step


@pytest.mark.each_backend(uses_keras=True)
@pytest.mark.parametrize("clip_norm", [None, 2.0])
@pytest.mark.parametrize("optimizer", RULES)
def test_updates_in_float32_are_those_of_keras_own_optimizers(backend: str, optimizer: str, clip_norm: float | None) -> None:
    """To the bit on TensorFlow; torch's fused kernels round elsewhere, by up to 2e-5 of a step (1 − β₂ᵗ in float32 in Keras)."""
    import keras

    rng = np.random.default_rng(0)
    start = [rng.normal(size=shape).astype(np.float32) for shape in ((7, 5), (5,))]
    theirs, ours = ([keras.Variable(value) for value in start] for _ in range(2))
    spec = OptimizerSpec(optimizer, 0.05, clip_norm)
    step = our_step(backend, spec, ours)
    classes = {"sgd": keras.optimizers.SGD, "adam": keras.optimizers.Adam, "rmsprop": keras.optimizers.RMSprop}
    rule = classes[spec.rule.family](weight_decay=0.05, global_clipnorm=clip_norm, **spec.rule.constants)
    for rate in RATES:
        gradients = [keras.ops.convert_to_tensor(rng.normal(size=value.shape).astype(np.float32)) for value in start]
        rule.learning_rate = rate
        rule.apply(gradients, theirs)
        step(gradients, rate)
    tolerance = 0.0 if backend == "tensorflow" else 2e-5 * sum(RATES)
    for their, our, first in zip(theirs, ours, start, strict=True):
        expected, received = keras.ops.convert_to_numpy(their), keras.ops.convert_to_numpy(our)
        assert np.abs(expected - first).max() > 100 * tolerance, "a test of parameters that hardly move"
        np.testing.assert_allclose(received, expected, rtol=0, atol=tolerance)


def test_the_clip_norm_of_the_case_really_clips() -> None:
    norm = np.sqrt(sum((value**2).sum() for value in gradients(WEIGHTS, *BATCHES[0]).values()))
    assert norm > VARIANTS["full"]["clip_norm"]


def test_adamw_decays_by_default_and_no_other_rule_does() -> None:
    assert OptimizerSpec.of("adamw", None, None).weight_decay == 0.004
    assert OptimizerSpec.of("adamw", 0.0, None).weight_decay == 0
    assert {OptimizerSpec.of(name, None, None).weight_decay for name in RULES if name != "adamw"} == {0.0}


@pytest.mark.each_backend(uses_keras=True)
@pytest.mark.parametrize(("kind", "warmup"), [("cosine", 0), ("cosine", 7), ("step", 0)])  # Keras' steps have no warm-up
def test_schedules_equal_those_of_keras(kind: str, warmup: int) -> None:
    from keras.optimizers import schedules

    theirs = {
        ("cosine", 0): schedules.CosineDecay(0.1, 40),
        ("cosine", 7): schedules.CosineDecay(0.0, 33, warmup_target=0.1, warmup_steps=7),
        ("step", 0): schedules.PiecewiseConstantDecay([20, 30], [0.1, 0.01, 0.001]),
    }[kind, warmup]
    ours = Schedule(kind, 0.1, 40, warmup)
    # Keras computes them in float32, whose cosine near π is off by 1e-7 of the peak.
    np.testing.assert_allclose(
        [ours(step) for step in range(50)], [float(theirs(step)) for step in range(50)], rtol=0, atol=1e-7 * 0.1
    )


def test_warm_up_rises_from_zero_to_the_peak() -> None:
    rate = Schedule("constant", 0.1, 40, 4)
    np.testing.assert_allclose([rate(step) for step in range(6)], [0, 0.025, 0.05, 0.075, 0.1, 0.1])
