"""From what all workers measured to the result of a check."""

from __future__ import annotations

from typing import Any

from unikeras import provenance
from unikeras.backends import BackendInfo
from unikeras.check_request import Request, command_line
from unikeras.checking.figures import STAGES, Figure
from unikeras.checking.judge import Judged, judge, judge_trajectory, make_envelope
from unikeras.checking.result import CheckResult, divergence, figure_row, stage_rows, trajectory_row

SHOWN_SETTINGS = ("model", "dataset", "image_size", "learning_rate", "normalize", "seed")


def conclude(
    request: Request,
    chosen: list[BackendInfo],
    reference: dict[str, Any],
    measured: dict[tuple[str, str], dict[str, Any]],
    trajectory: dict[str, Any],
    accuracy: tuple[dict[str, Any], dict[str, Figure]] | None,
    seconds: float,
) -> CheckResult:
    judged: list[Judged] = []
    rows, trajectories = [], []
    for dtype in request.dtypes:
        own = {backend: answer for (backend, kind), answer in measured.items() if kind == dtype}
        figures = {backend: [Figure(**fields) for fields in answer["figures"]] for backend, answer in own.items()}
        if accuracy is not None and dtype == request.dtypes[0]:
            for backend, figure in accuracy[1].items():
                figures[backend].append(figure)
        verdicts = judge(figures, dtype)
        envelope = make_envelope(trajectory["center"], trajectory["twins"], dtype)
        losses = {backend: answer["losses"] for backend, answer in own.items() if answer["losses"]}
        for backend, found in losses.items():
            verdicts.append(judge_trajectory(envelope, backend, dtype, found, own[backend]["exact_is_right"]))
        judged += verdicts
        for info in chosen:
            rows += stage_rows(verdicts, info.name, dtype)
        if losses:
            trajectories.append(trajectory_row(envelope, dtype, losses))
    wrong = sorted(
        (one for one in judged if one.kind is not None), key=lambda one: (STAGES.index(one.figure.stage), one.kind == "precision")
    )
    places = [divergence(one) for one in wrong]
    first = {key: places[0][key] for key in ("backend", "stage", "layer", "kind", "looks_like")} if places else None
    return CheckResult(
        agree=not places,
        first_divergence=first,
        divergences=places,
        table=rows,
        trajectory=trajectories,
        reference=reference,
        figures=[figure_row(one) for one in judged],
        settings={
            **{name: value for name, value in request.settings.to_dict().items() if name in SHOWN_SETTINGS},
            "backends": [info.name for info in chosen],
            "optimizers": list(request.optimizers),
            "steps": request.steps,
            "dtype": request.dtype,
            "plant": request.plant,
        },
        environment=provenance.collect(),
        seconds=seconds,
        command=command_line(request, chosen),
        accuracy=None if accuracy is None else accuracy[0],
    )
