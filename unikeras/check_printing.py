"""A check's result on the terminal: the verdict, a table of stages and backends, and where they part."""

from __future__ import annotations

import math
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from unikeras.checking.figures import STAGES
from unikeras.checking.result import CheckResult

KINDS = {
    "mistake": "a mistake: it is there in float64, too",
    "precision": "a loss of precision: in float64 it is not there",
    "structure": "another structure",
}


def print_result(result: CheckResult, console: Console) -> None:
    """Everything a person needs on one screen."""
    console.print()
    for dtype in dict.fromkeys(row["dtype"] for row in result.table):
        console.print(_table(result, dtype))
        console.print()
    for trajectory in result.trajectory:
        console.print(_horizon(trajectory), style="dim", highlight=False, soft_wrap=True)
    for line in _verdict(result):
        console.print(line, highlight=False, soft_wrap=True)


def _table(result: CheckResult, dtype: str) -> Table:
    """Worst error of each backend in each stage, by its bound."""
    rows = [row for row in result.table if row["dtype"] == dtype]
    names = list(dict.fromkeys(row["backend"] for row in rows))
    cells = {(row["stage"], row["backend"]): row for row in rows}
    table = Table(box=None, pad_edge=False, header_style="bold", caption="largest error / bound", caption_justify="left")
    table.add_column(dtype)
    for name in names:
        table.add_column(name, justify="right")
    for stage in STAGES:
        if any((stage, name) in cells for name in names):
            table.add_row(stage, *(_cell(cells.get((stage, name))) for name in names))
    return table


def _cell(row: dict[str, Any] | None) -> Text:
    if row is None:
        return Text("not reached", style="dim")
    ratio = row["worst_ratio"]
    number = "∞" if math.isinf(ratio) else f"{ratio:.2g}" if ratio < 1e4 else f"{ratio:.0e}"
    return Text(f"✗ {number}", style="bold red") if row["verdict"] == "disagree" else Text(f"✓ {number}", style="green")


def _horizon(trajectory: dict[str, Any]) -> str:
    steps, horizon, twins = len(trajectory["center"]), trajectory["horizon"], len(trajectory["twins"])
    where = f"all {steps} steps" if horizon == steps else f"{horizon} of {steps} steps; then the twins themselves part"
    return f"trajectory ({trajectory['dtype']}): {twins} twins, one unit in the last place apart, judge {where}"


def _verdict(result: CheckResult) -> list[Text]:
    names = result.settings["backends"]
    if result.agree:
        compared = sum(row["compared"] for row in result.table)
        who = f"{len(names)} backends agree" if len(names) > 1 else f"{names[0]} agrees with the reference"
        return [Text.assemble((who, "bold green"), f" in {compared:,} comparisons ({result.seconds:.0f} s)")]
    if not result.divergences:
        return [Text("the backends agree, but a known defect is gone", style="bold red"), *_defects(result, holds=False)]
    first = result.divergences[0]
    place = first["layer"] or first["name"]
    lines = [
        Text.assemble((f"{first['backend']} parts from the reference", "bold red"), f" in {first['stage']}, at {place}"),
        Text(f"  {first['name']} ({first['case']}): {_size(first)}"),
        Text(f"  {KINDS[first['kind']]}"),
    ]
    if first["looks_like"]:
        lines.append(Text.assemble("  looks like: ", (first["looks_like"], "bold")))
    lines += _defects(result, holds=True)
    others = list(dict.fromkeys(f"{d['backend']}: {d['stage']} {d['layer'] or d['name']}" for d in result.divergences[1:]))
    others = [other for other in others if other != f"{first['backend']}: {first['stage']} {place}"]
    if others:
        more = f" and {len(others) - 8} more" if len(others) > 8 else ""
        lines.append(Text(f"  further: {', '.join(others[:8])}{more}", style="dim"))
    return lines


def _defects(result: CheckResult, holds: bool) -> list[Text]:
    """A line for each known defect that holds, or for each that is gone."""
    told = {(one["layer"], one["backend"], one["what"]) for one in result.defects if one["holds"] == holds}
    words = "known" if holds else "no longer true, to be removed from unikeras/checking/known_defects.py"
    return [Text(f"  {words}: {what} ({layer} on {backend})") for layer, backend, what in sorted(told)]


def _size(place: dict[str, Any]) -> str:
    if place["problem"]:
        return str(place["problem"])
    exact = "" if place["error_float64"] is None else f"; in float64 {place['error_float64']:.1e}"
    return f"error {place['error']:.1e} where {place['bound']:.1e} agrees{exact}"
