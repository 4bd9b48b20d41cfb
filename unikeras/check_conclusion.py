"""From what all workers measured to the result of a check."""

from __future__ import annotations

import dataclasses
from typing import Any

from unikeras import provenance
from unikeras.backends import BackendInfo
from unikeras.check_request import Request, command_line
from unikeras.checking.figures import STAGES, Figure
from unikeras.checking.judge import Judged, judge, judge_trajectory, make_envelope
from unikeras.checking.result import CheckResult, divergence, figure_row, stage_rows, trajectory_row

SHOWN_SETTINGS = ("model", "dataset", "image_size", "learning_rate", "normalize", "seed")


@dataclasses.dataclass(frozen=True)
class Findings:
    """What the workers brought back.

    Attributes:
        reference: How far the reference could be confirmed.
        trajectory: Losses of its free run and of the twins.
        measured: By backend and dtype, as `measure.measure` gives it.
        accuracy: As `check_accuracy.measure` gives it; None if nothing was trained.
    """

    reference: dict[str, Any]
    trajectory: dict[str, Any]
    measured: dict[tuple[str, str], dict[str, Any]]
    accuracy: tuple[dict[str, Any], dict[str, Figure]] | None


def conclude(request: Request, chosen: list[BackendInfo], findings: Findings, seconds: float) -> CheckResult:
    """Judges everything, and puts what disagrees in the order of stages, mistakes first."""
    judged: list[Judged] = []
    rows, trajectories = [], []
    for dtype in request.dtypes:
        verdicts, trajectory = _judge(findings, dtype, with_accuracy=dtype == request.dtypes[0])
        judged += verdicts
        trajectories += trajectory
        for info in chosen:
            rows += stage_rows(verdicts, info.name, dtype)
    wrong = sorted(
        (one for one in judged if one.kind is not None), key=lambda one: (STAGES.index(one.figure.stage), one.kind == "precision")
    )
    places = [divergence(one) for one in wrong]
    defects = [defect for answer in findings.measured.values() for defect in answer["defects"]]
    return CheckResult(
        agree=not places and all(defect["holds"] for defect in defects),
        first_divergence={key: places[0][key] for key in FIRST_KEYS} if places else None,
        divergences=places,
        table=rows,
        trajectory=trajectories,
        reference=findings.reference,
        figures=[figure_row(one) for one in judged],
        settings=_settings(request, chosen),
        environment=provenance.collect(),
        seconds=seconds,
        command=command_line(request, chosen),
        accuracy=None if findings.accuracy is None else findings.accuracy[0],
        defects=defects,
    )


FIRST_KEYS = ("backend", "stage", "layer", "kind", "looks_like")


def _judge(findings: Findings, dtype: str, with_accuracy: bool) -> tuple[list[Judged], list[dict[str, Any]]]:
    """Verdicts on one dtype, and the free runs in it, if there were any."""
    own = {backend: answer for (backend, kind), answer in findings.measured.items() if kind == dtype}
    figures = {backend: [Figure(**fields) for fields in answer["figures"]] for backend, answer in own.items()}
    if findings.accuracy is not None and with_accuracy:
        for backend, figure in findings.accuracy[1].items():
            figures[backend].append(figure)
    verdicts = judge(figures, dtype)
    envelope = make_envelope(findings.trajectory["center"], findings.trajectory["twins"], dtype)
    losses = {backend: answer["losses"] for backend, answer in own.items() if answer["losses"]}
    for backend, found in losses.items():
        verdicts.append(judge_trajectory(envelope, backend, dtype, found, own[backend]["exact_is_right"]))
    return verdicts, [trajectory_row(envelope, dtype, losses)] if losses else []


def _settings(request: Request, chosen: list[BackendInfo]) -> dict[str, Any]:
    return {
        **{name: value for name, value in request.settings.to_dict().items() if name in SHOWN_SETTINGS},
        "backends": [info.name for info in chosen],
        "optimizers": list(request.optimizers),
        "steps": request.steps,
        "dtype": request.dtype,
        "plant": request.plant,
    }
