"""The free training runs in words and in a table: what the chart shows, for those who can't or won't look at it."""

from __future__ import annotations

from typing import Any

from unikeras.reporting import words


def describe(row: dict[str, Any]) -> dict[str, Any]:
    """Of one dtype: the id of its chart, sentences, and a row for each step."""
    steps, horizon = len(row["center"]), row["horizon"]
    return {
        "chart": f"trajectory-{row['dtype']}",
        "dtype": row["dtype"],
        "backends": list(row["backends"]),
        "frame": _frame(steps, horizon, len(row["twins"])),
        "sentences": [_sentence(row, backend, losses) for backend, losses in row["backends"].items()],
        "steps": [_step(row, step) for step in range(steps)],
    }


def _frame(steps: int, horizon: int, twins: int) -> str:
    judged = f"all {words.count(steps, 'step')} are judged"
    if horizon < steps:
        judged = f"{words.count(horizon)} of {words.count(steps, 'step')} are judged: after them the twins themselves part"
    apart = "runs from initial weights that are one unit in the last place apart"
    return f"The envelope comes from {words.count(twins, 'twin')}, {apart}; {judged}."


def _step(row: dict[str, Any], step: int) -> dict[str, Any]:
    center, high = row["center"][step], row["high"][step]
    cells = [_cell(losses[step] if step < len(losses) else None, center, high) for losses in row["backends"].values()]
    width = None if center is None or high is None else high - center
    return {"step": step + 1, "center": center, "width": width, "cells": cells, "judged": step < row["horizon"]}


def _cell(loss: float | None, center: float | None, high: float | None) -> dict[str, Any]:
    """Loss, signed deviation, its share of the envelope's half, and whether it is outside."""
    if loss is None or center is None or high is None:
        return {"loss": None, "deviation": None, "share": None, "outside": True}
    off, width = abs(loss - center), high - center
    return {"loss": loss, "deviation": loss - center, "share": off / width if width else 0.0, "outside": off > width}


def _sentence(row: dict[str, Any], backend: str, losses: list[float | None]) -> str:
    """Whether a run stays inside the envelope, and how close it comes to its edge."""
    judged = range(min(row["horizon"], len(losses)))
    cells = [_cell(losses[step], row["center"][step], row["high"][step]) for step in judged]
    outside = [step for step in judged if cells[step]["outside"]]
    if not cells:
        return f"{backend}: nothing to compare."
    if outside:
        off = cells[outside[0]]["deviation"]
        how = "its loss is not finite" if off is None else f"its loss is {words.number(abs(off))} off"
        where = f"leaves the envelope at step {outside[0] + 1}, where {how}"
        return f"{backend} {where}; {len(outside)} of {words.count(len(cells), 'judged step')} are outside."
    worst = max(judged, key=lambda step: cells[step]["share"])
    off, share = words.number(abs(cells[worst]["deviation"])), cells[worst]["share"]
    closest = f"closest to its edge at step {worst + 1}: {off} off the float64 run, {share:.0%} of what agrees"
    return f"{backend} stays inside the envelope; {closest}."
