"""The report of `unikeras check`: the verdict first, then the evidence for it, and how to repeat it."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from unikeras.checking.figures import STAGES
from unikeras.reporting import heat, trajectory, trajectory_chart, verdict, words
from unikeras.reporting.grouping import listed, ratio_of
from unikeras.reporting.page import render_page

IN_A_GROUP = 100  # divergences listed for one backend, dtype and stage; the saved result holds all


def render(result: dict[str, Any]) -> str:
    """Complete HTML of one offline file.

    Args:
        result: `CheckResult.to_dict()`; infinite numbers are None in it.
    """
    told = summary(result)
    figures, left_out = listed(result["figures"])
    context = {
        **told,
        "heat_maps": [heat.heat_map(result["figures"], table["dtype"], told["backends"]) for table in told["stage_tables"]],
        "legend": heat.LEGEND,
        "trajectories": [trajectory.describe(row) for row in result["trajectory"]],
        "divergences": _grouped(told["divergences"]),
        "figures": figures,
        "left_out": left_out,
        "words": words,
    }
    drawn = {f"trajectory-{row['dtype']}": trajectory_chart.draw(row) for row in result["trajectory"]}
    return render_page("check.html.j2", context, drawn, result)


def summary(result: dict[str, Any]) -> dict[str, Any]:
    """The result with its backends, verdict, tables of stages, and divergences with all that was measured there."""
    backends = _backends(result)
    dtypes = list(dict.fromkeys(row["dtype"] for row in result["table"]))
    divergences = _with_figures(result["divergences"], result["figures"])
    return {
        "result": result,
        "backends": backends,
        "verdict": verdict.describe(result, divergences, backends),
        "stage_tables": [_stage_table(result["table"], dtype, backends) for dtype in dtypes],
        "divergences": divergences,
    }


def _backends(result: dict[str, Any]) -> list[str]:
    """In the order asked for."""
    seen = dict.fromkeys(row["backend"] for row in [*result["table"], *result["figures"]])
    return list(dict.fromkeys([*result["settings"].get("backends", []), *seen]))


def _stage_table(rows: list[dict[str, Any]], dtype: str, backends: list[str]) -> dict[str, Any]:
    """A dtype's stages, each with a cell for every backend: None where a backend didn't get that far."""
    cells = {(row["stage"], row["backend"]): row for row in rows if row["dtype"] == dtype}
    reached = [stage for stage in STAGES if any((stage, backend) in cells for backend in backends)]
    return {"dtype": dtype, "stages": [(stage, [cells.get((stage, backend)) for backend in backends]) for stage in reached]}


def _with_figures(places: list[dict[str, Any]], figures: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Places that disagree, each with all that was measured there and its error by its bound."""
    keys = ("backend", "dtype", "stage", "case", "name")
    measured = {tuple(figure[key] for key in keys): figure for figure in figures if not figure["agrees"]}
    full = [{"exact": place["error_float64"], **measured.get(tuple(place[key] for key in keys), {}), **place} for place in places]
    return [{**place, "ratio": ratio_of(place)} for place in full]


def _grouped(places: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """By backend, dtype and stage."""
    groups: dict[tuple[str, str, str], list[dict[str, Any]]] = defaultdict(list)
    for place in places:
        groups[place["backend"], place["dtype"], place["stage"]].append(place)
    return [
        {"backend": backend, "dtype": dtype, "stage": stage, "count": len(own), "places": own[:IN_A_GROUP]}
        for (backend, dtype, stage), own in groups.items()
    ]
