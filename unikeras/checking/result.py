"""What a check found: the verdict, where and why backends part, and every figure."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from unikeras.checking.figures import STAGES, Figure
from unikeras.checking.judge import Envelope, Judged


@dataclasses.dataclass(frozen=True)
class CheckResult:
    """Result of `unikeras.check`.

    Attributes:
        agree: Whether all backends agree in everything that was compared.
        first_divergence: Where the first backend parts: backend, stage, layer, kind, looks_like; None if none does.
        divergences: All places that disagree, in the order of stages; fields as of `first_divergence`, and the figures.
        defects: Known defects of the frameworks that concern the model; where one no longer `holds`, `agree` is false.
        table: A row for each backend, dtype and stage: verdict, worst ratio of error to bound, and where.
        trajectory: Losses of the free runs, with the envelope of the twins and the horizon.
        reference: What the reference was, and how far it could be confirmed independently.
        figures: Every comparison.
        settings: What was checked.
        environment: Versions and machine.
        seconds: How long it took.
        command: Repeats the check.
    """

    agree: bool
    first_divergence: dict[str, Any] | None
    divergences: list[dict[str, Any]]
    table: list[dict[str, Any]]
    trajectory: list[dict[str, Any]]
    reference: dict[str, Any]
    figures: list[dict[str, Any]]
    settings: dict[str, Any]
    environment: dict[str, Any]
    seconds: float
    command: str
    accuracy: dict[str, Any] | None = None
    defects: list[dict[str, Any]] = dataclasses.field(default_factory=list)

    def __bool__(self) -> bool:
        return self.agree

    def to_dict(self) -> dict[str, Any]:
        """JSON values; numbers that JSON doesn't have become null."""
        content: dict[str, Any] = _json_safe(dataclasses.asdict(self))
        return content


def divergence(judged: Judged) -> dict[str, Any]:
    """A judged figure that disagrees, as JSON values."""
    figure = judged.figure
    return {
        "backend": judged.backend,
        "stage": figure.stage,
        "layer": _layer(figure),
        "kind": judged.kind,
        "looks_like": figure.looks_like,
        "dtype": judged.dtype,
        "case": figure.case,
        "name": figure.name,
        "problem": figure.problem,
        "error": figure.error,
        "error_float64": figure.exact,
        "bound": judged.bound,
        "noise": judged.noise,
    }


def _layer(figure: Figure) -> str | None:
    return figure.layer or layer_of(figure.stage, figure.name)


def layer_of(stage: str, name: str) -> str | None:
    """Canonical path of the layer that a figure's name belongs to; None where it belongs to the whole model."""
    if stage == "forward" and ":" in name:
        return name.partition(":")[0]
    path = name.partition(":")[0]
    parts = path.split("/")
    if parts[0] in ("momentum", "velocity") and len(parts) > 2:
        parts = parts[1:]
    return "/".join(parts[:-1]) if len(parts) > 1 else None


def stage_rows(judged: list[Judged], backend: str, dtype: str) -> list[dict[str, Any]]:
    """The table's rows of one backend in one dtype."""
    rows = []
    for stage in STAGES:
        own = [one for one in judged if (one.backend, one.dtype, one.figure.stage) == (backend, dtype, stage)]
        if own:
            rows.append(_stage_row(own, backend, dtype, stage))
    return rows


def _stage_row(own: list[Judged], backend: str, dtype: str, stage: str) -> dict[str, Any]:
    wrong = [one for one in own if one.kind is not None]
    settled = [one for one in own if not one.jump] or own
    worst = max(wrong or settled, key=lambda one: one.ratio)
    return {
        "backend": backend,
        "dtype": dtype,
        "stage": stage,
        "verdict": "disagree" if wrong else "agree",
        "compared": len(own),
        "disagree": len(wrong),
        "rounding_jumps": sum(one.jump for one in own),
        "worst_ratio": worst.ratio,
        "worst_at": f"{worst.figure.name} ({worst.figure.case})",
    }


def figure_row(judged: Judged) -> dict[str, Any]:
    """A figure with its verdict, as JSON values."""
    figure = judged.figure
    fields = {"backend": judged.backend, "dtype": judged.dtype, **figure.to_dict(), "layer": _layer(figure)}
    return {**fields, "noise": judged.noise, "bound": judged.bound, "agrees": judged.kind is None, "jump": judged.jump}


def trajectory_row(envelope: Envelope, dtype: str, losses: dict[str, list[float]]) -> dict[str, Any]:
    """The free runs of one dtype."""
    return {"dtype": dtype, **dataclasses.asdict(envelope), "backends": losses}


def _json_safe(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _json_safe(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_json_safe(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
