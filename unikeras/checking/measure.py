"""A backend's worker in a check: goes through the stages and reports one figure for every comparison."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from unikeras.checking import (
    diagnosis,
    known_defects,
    plants,
    stage_forward,
    stage_gradients,
    stage_optimizer,
    stage_steps,
    stage_structure,
    stage_trajectory,
)
from unikeras.checking.evidence import Evidence
from unikeras.checking.figures import UNITS
from unikeras.checking.subject import Subject
from unikeras.events import Emit, Stage

Wanted = Callable[[str], bool]


def measure(emit: Emit, folder: str, backend: str, dtype: str, plant: str | None = None) -> dict[str, Any]:
    """All stages on one backend in one dtype.

    Args:
        plant: A fault to plant first; see `plants`.

    Returns:
        The `figures`, as dictionaries; the `losses` of the trajectory, and `exact_is_right`, whether those of float64 keep to its
        envelope, or null where float32 raised no suspicion; the known `defects` of the framework that concern the model.
    """
    if plant is not None:
        plants.find(plant).apply()
    subject = Subject(Evidence.read(Path(folder)), backend, dtype)
    exact = subject if dtype == "float64" else Subject(subject.evidence, backend, "float64")
    emit(Stage(backend, dtype, "structure", 0.0))
    stage_structure.measure(subject)
    losses: list[float] = []
    exact_is_right: bool | None = None
    if not any(figure.problem for figure in subject.figures):
        for stage in _MIXED_STAGES if dtype == "mixed_bfloat16" else _STAGES:
            emit(Stage(backend, dtype, stage.name, stage.share))
            _look_twice(subject, exact, stage)
        if dtype != "mixed_bfloat16":
            emit(Stage(backend, dtype, "trajectory", 0.85))
            losses, exact_is_right = stage_trajectory.measure(subject, exact)
    return {
        "figures": [figure.to_dict() for figure in subject.figures],
        "losses": losses,
        "exact_is_right": exact_is_right,
        "defects": known_defects.find(subject),
    }


@dataclasses.dataclass(frozen=True)
class MeasuredStage:
    """A stage that compares tensors.

    Attributes:
        name: For the person who waits.
        share: Of the worker's work that is done when it begins.
        measure: Adds the figures of the cases that are wanted, or of more.
        always: Cases to measure in float64 without a suspicion: a small mistake, such as an unbiased variance over a thousand
            values, could pass for rounding, and gradients jump where rounding changes a decision.
    """

    name: str
    share: float
    measure: Callable[[Subject, Wanted], None]
    always: Wanted = lambda case: False


_STAGES = (
    MeasuredStage("forward", 0.1, lambda subject, wanted: stage_forward.measure(subject), lambda case: True),
    MeasuredStage("gradients", 0.25, lambda subject, wanted: stage_gradients.measure(subject), lambda case: True),
    MeasuredStage("optimizer", 0.4, stage_optimizer.measure),
    MeasuredStage("steps", 0.6, stage_steps.measure, lambda case: case in stage_steps.ALWAYS_EXACT),
)
_MIXED_STAGES = _STAGES[:2]  # updates are in float32 in any case


def _look_twice(subject: Subject, exact: Subject, stage: MeasuredStage) -> None:
    """Measures a stage, and what looks suspicious once more in float64, with a diagnosis of the first wrong thing."""
    before = len(subject.figures)
    stage.measure(subject, lambda case: True)
    cases = {figure.case for figure in subject.figures[before:] if figure.suspicious or stage.always(figure.case)}
    if not cases:
        return
    if exact is not subject:
        exact_before = len(exact.figures)
        stage.measure(exact, lambda case: any(looked_for.startswith(case) for looked_for in cases))
        second = {(figure.case, figure.name): figure for figure in exact.figures[exact_before:]}
    else:
        second = {(figure.case, figure.name): figure for figure in subject.figures[before:]}
    for index in range(before, len(subject.figures)):
        figure = subject.figures[index]
        if found := second.get((figure.case, figure.name)):
            subject.figures[index] = dataclasses.replace(figure, exact=found.error, exact_floor=found.floor)
    wrong = next((index for index in range(before, len(subject.figures)) if subject.figures[index].is_mistake), None)
    if wrong is None and stage.name == "forward":
        _look_for_precision(subject, before)
    if wrong is not None:
        words, layer = diagnosis.explain(exact, subject.figures[wrong])
        subject.figures[wrong] = dataclasses.replace(subject.figures[wrong], looks_like=words, layer=layer)


def _look_for_precision(subject: Subject, first: int) -> None:
    """Names the arithmetic of the first layer whose error vanishes in float64."""
    for index in range(first, len(subject.figures)):
        figure = subject.figures[index]
        if figure.error > UNITS * figure.floor and figure.problem is None:
            subject.figures[index] = dataclasses.replace(figure, looks_like=diagnosis.forward.explain_precision(subject, figure))
            return
