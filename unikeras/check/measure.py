"""A backend's worker in a check: goes through the stages and reports one figure for every comparison."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from unikeras.check import (
    diagnosis,
    stage_forward,
    stage_gradients,
    stage_optimizer,
    stage_steps,
    stage_structure,
    stage_trajectory,
)
from unikeras.check.evidence import Evidence
from unikeras.check.subject import Subject
from unikeras.events import Emit, Stage

Wanted = Callable[[str], bool]


def measure(emit: Emit, folder: str, backend: str, dtype: str) -> dict[str, Any]:
    """All stages on one backend in one dtype.

    Returns:
        The `figures`, as dictionaries, and the `losses` of the trajectory.
    """
    evidence = Evidence.read(Path(folder))
    subject = Subject(evidence, backend, dtype)
    exact = subject if dtype == "float64" else Subject(evidence, backend, "float64")
    losses: list[float] = []

    def at(stage: str, share: float) -> None:
        emit(Stage(backend, dtype, stage, share))

    at("structure", 0.0)
    stage_structure.measure(subject)
    if not any(figure.problem for figure in subject.figures):
        at("forward", 0.1)
        _look_twice(subject, exact, lambda s, wanted: stage_forward.measure(s))
        at("gradients", 0.25)
        _look_twice(subject, exact, lambda s, wanted: stage_gradients.measure(s), always=lambda case: True)
        at("optimizer", 0.4)
        _look_twice(subject, exact, stage_optimizer.measure)
        at("steps", 0.6)
        _look_twice(
            subject,
            exact,
            lambda s, wanted: stage_steps.measure(s, wanted, lambda share: at("steps", 0.6 + 0.25 * share)),
            always=lambda case: case in stage_steps.ALWAYS_EXACT,
        )
        at("trajectory", 0.85)
        losses = stage_trajectory.measure(subject)
    return {"figures": [figure.to_dict() for figure in subject.figures], "losses": losses}


def _look_twice(
    subject: Subject, exact: Subject, stage: Callable[[Subject, Wanted], None], always: Wanted = lambda case: False
) -> None:
    """Measures a stage, and what looks suspicious once more in float64, with a diagnosis of the first thing that is wrong there.

    Args:
        always: Cases to measure in float64 without a suspicion: gradients jump where rounding changes a decision, so that a small
            mistake could pass for rounding.
    """
    before = len(subject.figures)
    stage(subject, lambda case: True)
    cases = {figure.case for figure in subject.figures[before:] if figure.suspicious or always(figure.case)}
    if not cases:
        return
    if exact is not subject:
        exact_before = len(exact.figures)
        stage(exact, lambda case: any(looked_for.startswith(case) for looked_for in cases))
        second = {(figure.case, figure.name): figure for figure in exact.figures[exact_before:]}
    else:
        second = {(figure.case, figure.name): figure for figure in subject.figures[before:]}
    for index in range(before, len(subject.figures)):
        figure = subject.figures[index]
        if found := second.get((figure.case, figure.name)):
            subject.figures[index] = dataclasses.replace(figure, exact=found.error, exact_floor=found.floor)
    wrong = next((index for index in range(before, len(subject.figures)) if subject.figures[index].is_mistake), None)
    if wrong is not None:
        reason = diagnosis.explain(exact, subject.figures[wrong])
        subject.figures[wrong] = dataclasses.replace(subject.figures[wrong], looks_like=reason)
