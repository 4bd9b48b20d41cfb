"""The heat map: layers in the model's order by stage and backend, and each layer's tensors below it."""

from __future__ import annotations

import dataclasses
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from unikeras.checking.figures import STAGES, SUSPICIOUS
from unikeras.checking.result import layer_of
from unikeras.reporting import words
from unikeras.reporting.grouping import Group, group_of

BY_LAYER = ("structure", "forward", "gradients", "optimizer", "steps")  # stages whose figures belong to layers
WHOLE_MODEL = "whole model"
MOST_CELLS = 20_000  # above this, tensors of layers that agree are left out: the page would take seconds to open

# The colour scale, in decades of error / bound: the legend's words for levels 0 to 7.
LEGEND = ("0", "< 0.001", "< 0.01", "< 0.1", "≤ 1", "≤ 10", "≤ 1,000", "more")
WITHIN, BEYOND = (0.001, 0.01, 0.1), (10.0, 1000.0)  # the limits between them, on either side of the bound


@dataclasses.dataclass(frozen=True)
class Cell:
    """A square of the map: `level` is its colour, 0 for no difference at all to 7; `details` is what hovering shows."""

    stage: str
    level: int
    text: str
    mark: str
    verdict: str
    details: str


@dataclasses.dataclass(frozen=True)
class Row:
    """A layer, or one of its tensors; a cell is None where nothing was compared."""

    name: str
    cells: list[Cell | None]
    tensors: list[Row]

    @property
    def wrong(self) -> bool:
        """Whether anything in it disagrees."""
        return any(cell is not None and cell.verdict == "disagrees" for cell in self.cells)


@dataclasses.dataclass(frozen=True)
class HeatMap:
    """One dtype's map; every stage has a column for each backend. `shortened` says that tensors were left out."""

    dtype: str
    stages: list[str]
    backends: list[str]
    rows: list[Row]
    first_shown: str
    shortened: bool


def heat_map(figures: Sequence[dict[str, Any]], dtype: str, backends: list[str]) -> HeatMap:
    """Groups the figures of a dtype by layer, tensor, stage and backend."""
    own = [figure for figure in figures if figure["dtype"] == dtype and figure["stage"] in BY_LAYER]
    wrong = {figure["stage"] for figure in own if not figure["agrees"]}
    # Values equal to the bit give an empty column; where they are not equal, it is the one that counts.
    shown = [figure for figure in own if figure["stage"] != "structure" or "structure" in wrong]
    stages = [stage for stage in STAGES if any(figure["stage"] == stage for figure in shown)]
    columns = [(stage, backend) for stage in stages for backend in backends]
    places = _by_place(shown, {figure["name"] for figure in own if figure["stage"] == "structure"})
    shortened = sum(map(len, places.values())) * len(columns) > MOST_CELLS
    rows = [_row(layer, tensors, columns, shortened) for layer, tensors in places.items()]
    first = next((stage for stage in stages if stage in wrong), stages[0] if stages else "")
    return HeatMap(dtype, stages, backends, rows, first, shortened)


Figures = list[dict[str, Any]]
Tensors = dict[str, Figures]


def _by_place(figures: Figures, parameters: set[str]) -> dict[str, Tensors]:
    """Figures by layer and tensor. Layers come in the order of the forward stage; what belongs to no layer comes last."""
    places: dict[str, Tensors] = defaultdict(lambda: defaultdict(list))
    for figure in sorted(figures, key=lambda figure: figure["stage"] != "forward"):
        layer, tensor = place_of(figure["stage"], figure["name"], parameters)
        places[layer or WHOLE_MODEL][tensor].append(figure)
    return dict(sorted(places.items(), key=lambda item: item[0] == WHOLE_MODEL))


def place_of(stage: str, name: str, parameters: set[str]) -> tuple[str | None, str]:
    """Layer and tensor that a figure's name belongs to: `velocity/conv1/kernel` belongs to conv1's kernel."""
    path, _, side = name.partition(":")
    if stage == "forward" and side:
        return path, side
    for parameter in (path, path.partition("/")[2]):
        if parameter in parameters:
            layer, _, tensor = parameter.rpartition("/")
            return layer or None, tensor
    return layer_of(stage, name), path.rpartition("/")[2]


def _row(layer: str, tensors: Tensors, columns: list[tuple[str, str]], shortened: bool) -> Row:
    everything = [figure for same in tensors.values() for figure in same]
    cells = _cells(layer, everything, columns)
    if shortened and all(figure["agrees"] for figure in everything):
        return Row(layer, cells, [])
    return Row(layer, cells, [Row(tensor, _cells(f"{layer}, {tensor}", same, columns), []) for tensor, same in tensors.items()])


def _cells(place: str, figures: Figures, columns: list[tuple[str, str]]) -> list[Cell | None]:
    by_column: dict[tuple[str, str], Figures] = defaultdict(list)
    for figure in figures:
        by_column[figure["stage"], figure["backend"]].append(figure)
    return [_cell(place, *column, group_of(by_column[column])) if column in by_column else None for column in columns]


def _cell(place: str, stage: str, backend: str, group: Group) -> Cell:
    worst = group.worst
    mark = "✗" if group.wrong else "↷" if group.jumps else ""
    size = worst["problem"] or f"error {words.number(worst['error'])}, up to {words.number(worst['bound'])} agrees"
    if worst["exact"] is not None:
        exact_bound = SUSPICIOUS * (worst.get("exact_floor") or 0.0)
        size += f"\nin float64 {words.number(worst['exact'])}, up to {words.number(exact_bound)} agrees"
    lines = [
        f"{backend}: {words.stage_title(stage)}, {place}",
        f"{group.verdict}: {words.times(group.ratio)}",
        f"worst at {worst['name']} ({worst['case']})",
        size,
        group.tally,
    ]
    level = max(level_of(group.ratio), 5 if group.wrong else 0)
    return Cell(stage, level, words.ratio(group.ratio), mark, group.verdict, "\n".join(lines))


def level_of(ratio: float) -> int:
    """Colour of error / bound: 0 to 4 lie within the bound, 5 to 7 beyond it."""
    if ratio == 0:
        return 0
    return 1 + bisect_right(WITHIN, ratio) if ratio <= 1 else 5 + bisect_left(BEYOND, ratio)
