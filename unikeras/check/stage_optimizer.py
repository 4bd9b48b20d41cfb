"""Stage 4: slots and updates of every update rule, with the same gradients for all, so that only the rule's arithmetic counts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from unikeras.backends.base import Backend
from unikeras.check import numpy_optimizers, stage_gradients
from unikeras.check.comparing import compare, largest
from unikeras.check.figures import NOISE
from unikeras.check.stage_gradients import part
from unikeras.check.subject import Subject
from unikeras.optimizers import OptimizerSpec
from unikeras.weights import Weights

STEPS = 4


def measure(subject: Subject, wanted: Callable[[str], bool]) -> None:
    """Every rule plainly, and with weight decay and clipping; the rate drops half-way.

    Args:
        wanted: Whether to measure a case.
    """
    regularized = subject.evidence.load_json("regularized")["changes"]
    for index, optimizer in enumerate(subject.evidence.optimizers):
        for case, changes in {optimizer: {"weight_decay": 0.0}, f"{optimizer}, decay and clipping": regularized}.items():
            if not wanted(case):
                continue
            model = subject.make_model(optimizer=optimizer, **changes)
            if changes is regularized and index == 0:
                stage_gradients.measure_regularized(subject, model)
            _compare_steps(subject, model, case, optimizer, changes)


def _compare_steps(subject: Subject, model: Backend, case: str, optimizer: str, changes: dict[str, Any]) -> None:
    spec = OptimizerSpec.of(optimizer, changes["weight_decay"], changes.get("clip_norm"))
    start, trainable = subject.evidence.load("start"), subject.evidence.load_json("trainable")
    values = {name: start[name].astype(subject.value_type) for name in trainable}
    state = numpy_optimizers.empty_state(spec, values)
    for step, (gradients, rate) in enumerate(gradients_and_rates(subject)):
        model.load_weights({**start, **values})
        model.load_optimizer_state(state)
        model.apply_gradients(gradients, rate)
        exact = {name: value.astype(np.float64) for name, value in values.items()}
        after, new_state = numpy_optimizers.step(spec, exact, state, gradients, rate)
        received = {**model.weights(), **model.optimizer_state()}
        place = f"{case}, step {step + 1}"
        compare_state(subject, place, received, new_state)
        for name, value in after.items():
            subject.add(update_figure(subject, "optimizer", place, name, received.get(name), value, exact[name], rate))
        values = {name: value.astype(subject.value_type) for name, value in after.items()}
        state = {name: v if name == "iterations" else v.astype(subject.value_type) for name, v in new_state.items()}


def gradients_and_rates(subject: Subject) -> list[tuple[Weights, float]]:
    """The reference's gradients of its first steps, in the subject's type, and rates that drop after the second."""
    rate, pairs = subject.evidence.settings.learning_rate, []
    for step in range(min(STEPS, subject.evidence.steps)):
        gradients = part(subject.evidence.load(f"step-{step:04}"), "gradients")
        typed = {name: value.astype(subject.value_type).astype(np.float64) for name, value in gradients.items()}
        # A float32 backend takes a float32 rate.
        pairs.append((typed, float(subject.value_type.type(rate if step < STEPS / 2 else rate / 10))))
    return pairs


def compare_state(
    subject: Subject,
    place: str,
    received: Weights,
    expected: Weights,
    stage: str = "optimizer",
    disturbed: Sequence[Weights] = (),
) -> None:
    """Slots, relative to the largest value of each; a slot far below the others of its kind is rounding noise.

    Args:
        disturbed: The slots that disturbed gradients lead to.
    """
    overall: dict[str, float] = {}
    for name, value in expected.items():
        kind = name.partition("/")[0]
        overall[kind] = max(overall.get(kind, 0.0), largest(value))
    for name, value in expected.items():
        kind = name.partition("/")[0]
        smallest = 1.0 if kind == "iterations" else stage_gradients.SMALLEST_SCALE ** (2 if kind == "velocity" else 1)
        scale = max(largest(value), smallest * overall[kind])
        noise = max((largest(other[name] - value) for other in disturbed), default=0.0)
        subject.add(
            compare(stage, place, name, received.get(name), value, subject.roundoff + NOISE * noise / (scale or 1.0), scale)
        )


def update_figure(
    subject: Subject,
    stage: str,
    place: str,
    name: str,
    received: np.ndarray | None,
    expected: np.ndarray,
    before: np.ndarray,
    rate: float,
) -> Any:
    """Largest difference of two updated parameters, in learning rates.

    The floor is one rounding of the parameter and one of its update, for neither can be stored more exactly.
    """
    roundoff = subject.roundoff if subject.dtype != "mixed_bfloat16" else 2.0**-24
    floor = roundoff * (largest(before) + largest(expected - before)) / rate
    return compare(stage, place, name, received, expected, floor, scale=rate)
