"""Stage 4: slots and updates of every update rule, with the same gradients for all, so that only the rule's arithmetic counts."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from unikeras.backends.base import Backend
from unikeras.checking import numpy_optimizers, stage_gradients
from unikeras.checking.comparing import compare, largest
from unikeras.checking.evidence import SMOOTHED
from unikeras.checking.figures import NOISE
from unikeras.checking.stage_gradients import part
from unikeras.checking.subject import Subject
from unikeras.optimizers import OptimizerSpec
from unikeras.weights import Weights

STEPS = 4


@dataclasses.dataclass(frozen=True)
class Place:
    """One update: what the backend was given, what it made of it, and what it should have made.

    Attributes:
        before: Trainable parameters, float64.
        state: Slots and the count of updates before.
        received: Parameters, statistics, slots and count after it.
        stale: Slots and count that loading had to replace.
        after, new_state: What is right.
    """

    spec: OptimizerSpec
    before: Weights
    state: Weights
    gradients: Weights
    rate: float
    received: Weights
    stale: Weights
    after: Weights
    new_state: Weights


def measure(subject: Subject, wanted: Callable[[str], bool]) -> None:
    """Every rule plainly, and with weight decay and clipping; the rate drops half-way.

    Args:
        wanted: Whether to measure a case.
    """
    for index, optimizer in enumerate(subject.evidence.optimizers):
        for case, changes in _cases(subject, optimizer).items():
            if not wanted(case):
                continue
            model = subject.make_model(optimizer=optimizer, **changes)
            if changes["weight_decay"] and index == 0:
                stage_gradients.measure_regularized(subject, model, f"{case}, {SMOOTHED}")
            for step, place in enumerate(_updates(subject, model, optimizer, changes)):
                _compare(subject, f"{case}, step {step + 1}", place)


def observe(subject: Subject, case: str, step: int) -> Place:
    """One update once more."""
    optimizer = case.partition(",")[0]
    changes = _cases(subject, optimizer)[case]
    model = subject.make_model(optimizer=optimizer, **changes)
    return next(itertools.islice(_updates(subject, model, optimizer, changes), step, None))


def _cases(subject: Subject, optimizer: str) -> dict[str, dict[str, Any]]:
    """Changes of the settings by the name of the case."""
    regularized = subject.evidence.load_json("regularized")["changes"]
    return {optimizer: {"weight_decay": 0.0}, f"{optimizer}, decay and clipping": regularized}


def _updates(subject: Subject, model: Backend, optimizer: str, changes: dict[str, Any]) -> Iterator[Place]:
    """Updates, each from the state that is right, in the subject's type."""
    spec = OptimizerSpec.of(optimizer, changes["weight_decay"], changes.get("clip_norm"))
    start, trainable = subject.evidence.load("start"), subject.evidence.load_json("trainable")
    values = {name: start[name].astype(subject.value_type) for name in trainable}
    state = numpy_optimizers.empty_state(spec, values)
    for gradients, rate in gradients_and_rates(subject):
        model.apply_gradients(gradients, rate)  # now its own state is another one, and loading has to replace it
        stale = model.optimizer_state()
        model.load_weights({**start, **values})
        model.load_optimizer_state(state)
        model.apply_gradients(gradients, rate)
        before = {name: value.astype(np.float64) for name, value in values.items()}
        after, new_state = numpy_optimizers.step(spec, before, state, gradients, rate)
        yield Place(spec, before, state, gradients, rate, {**model.weights(), **model.optimizer_state()}, stale, after, new_state)
        values = {name: value.astype(subject.value_type) for name, value in after.items()}
        state = {name: v if name == "iterations" else v.astype(subject.value_type) for name, v in new_state.items()}


def _compare(subject: Subject, case: str, place: Place) -> None:
    compare_state(subject, case, place.received, place.new_state)
    for name, value in place.after.items():
        received, before = place.received.get(name), place.before[name]
        subject.add(update_figure(subject, "optimizer", case, name, received, value, before, place.rate))


def gradients_and_rates(subject: Subject) -> list[tuple[Weights, float]]:
    """The reference's gradients of its first steps, in the subject's type, and rates that drop after the second."""
    rate, pairs = subject.evidence.settings.learning_rate, []
    for step in range(min(STEPS, subject.evidence.steps)):
        gradients = part(subject.evidence.load(f"step-{step:04}"), "gradients")
        typed = {name: value.astype(subject.value_type).astype(np.float64) for name, value in gradients.items()}
        # A float32 backend takes a float32 rate.
        pairs.append((typed, float(subject.value_type.type(rate if step < STEPS / 2 else rate / 10))))
    # The last are small, so that clipping leaves them as they are.
    last, last_rate = pairs[-1]
    pairs[-1] = ({name: value / 1024 for name, value in last.items()}, last_rate)
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
        scale = _slot_scale(kind, largest(value), overall[kind])
        noise = max((largest(other[name] - value) for other in disturbed), default=0.0)
        subject.add(
            compare(stage, place, name, received.get(name), value, subject.roundoff + NOISE * noise / (scale or 1.0), scale)
        )


def _slot_scale(kind: str, own: float, overall: float) -> float:
    """What errors of a slot are relative to; second moments are squares of gradients."""
    if kind == "iterations":
        return max(own, 1.0)
    power = 2 if kind == "velocity" else 1
    return overall if own < stage_gradients.ZERO**power * overall else max(own, stage_gradients.SMALLEST_SCALE**power * overall)


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
