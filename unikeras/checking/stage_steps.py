"""Stage 5: real training steps, each from the reference's state, so that errors can't add up."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from unikeras.checking import numpy_optimizers, stage_optimizer
from unikeras.checking.comparing import compare, largest, problem_of, rms
from unikeras.checking.figures import NOISE, Figure, fineness
from unikeras.checking.stage_gradients import gradient_noise, loss_figure, loss_floor, part
from unikeras.checking.subject import Subject
from unikeras.optimizers import OptimizerSpec
from unikeras.weights import Weights

ALWAYS_EXACT = ("step 1", "step 2", "step 3")  # a full batch from empty slots, a batch of four, and slots in use


def measure(subject: Subject, wanted: Callable[[str], bool]) -> None:
    """Loss, updates in learning rates, slots and statistics of every wanted step."""
    model, evidence, data = subject.model, subject.evidence, subject.evidence.data()
    settings = evidence.settings
    spec = OptimizerSpec.of(settings.optimizer, settings.weight_decay, settings.clip_norm)
    losses = evidence.load_json("losses")
    model.read_metrics()
    for step, (indices, rate) in enumerate(zip(evidence.batches(), evidence.rates(), strict=True)):
        place = f"step {step + 1}"
        if not wanted(place):
            continue
        tensors = evidence.load(f"step-{step:04}")
        before, state = part(tensors, "weights"), part(tensors, "state")
        model.load_weights(before)
        model.load_optimizer_state(state)
        model.train_step(data.train.x[indices], data.train.y[indices], rate)
        subject.add(loss_figure("steps", place, model.read_metrics().loss, losses[step], loss_floor(subject, step)))
        received = {**model.weights(), **model.optimizer_state()}
        _compare_update(subject, place, spec, tensors, received, rate)
        _compare_statistics(subject, place, tensors, received)


def _compare_statistics(subject: Subject, place: str, tensors: Weights, received: Weights) -> None:
    """A mean is as exact as what is averaged, which may be far larger than the mean."""
    noise = part(tensors, "statistics-noise")
    for name, value in part(tensors, "statistics").items():
        scale = largest(value)
        floor = subject.roundoff + (NOISE * fineness(subject.dtype) * largest(noise[name]) / scale if scale else 0.0)
        subject.add(compare("steps", place, name, received.get(name), value, floor))


def _compare_update(subject: Subject, place: str, spec: OptimizerSpec, tensors: Weights, received: Weights, rate: float) -> None:
    gradients, state = part(tensors, "gradients"), part(tensors, "state")
    before = {name: value.astype(np.float64) for name, value in part(tensors, "weights").items() if name in gradients}
    after, new_state = numpy_optimizers.step(spec, before, state, gradients, rate)
    disturbed = [
        numpy_optimizers.step(spec, before, state, {name: value + noise[name] for name, value in gradients.items()}, rate)
        for noise in gradient_noise(subject, tensors)
    ]
    stage_optimizer.compare_state(subject, place, received, new_state, "steps", [slots for _, slots in disturbed])
    after |= part(tensors, "constrained")
    for name, value in after.items():
        # Adam divides by √v, so that where v is small rounding of the gradient alone moves a parameter by a whole rate.
        noise = max(rms(moved[name] - value) for moved, _ in disturbed)
        floor = NOISE * noise + subject.roundoff * (rms(before[name]) + rms(value - before[name]))
        subject.add(_update_figure(place, name, received.get(name), value, floor, rate))


def _update_figure(place: str, name: str, received: np.ndarray | None, expected: np.ndarray, floor: float, rate: float) -> Figure:
    """Root mean square of the difference of two updated parameters, in learning rates."""
    problem = problem_of(received, expected)
    if problem is not None or received is None:
        return Figure("steps", place, name, math.inf, floor / rate, problem)
    return Figure("steps", place, name, rms(received.astype(np.float64) - expected) / rate, floor / rate)
