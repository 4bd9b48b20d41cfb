"""Figures drawn together: many comparisons, told by the worst of them."""

from __future__ import annotations

import dataclasses
import math
import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from unikeras.checking.figures import SUSPICIOUS
from unikeras.reporting import words

LISTED = 200  # rows of the list of figures for each backend and dtype
STEP = re.compile(r"step \d+$")


def ratio_of(figure: dict[str, Any]) -> float:
    """Error by bound; where float64 was looked at as well, the larger of both."""
    own, exact_floor = by_bound(figure["error"], figure["bound"]), figure.get("exact_floor")
    if figure["exact"] is None or exact_floor is None:
        return own
    return max(own, by_bound(figure["exact"], SUSPICIOUS * exact_floor))


def by_bound(error: float | None, bound: float | None) -> float:
    """Their ratio; None is infinity, which JSON doesn't have."""
    if error is None:
        return math.inf
    if error == 0 or bound is None:
        return 0.0
    return error / bound if bound else math.inf


@dataclasses.dataclass(frozen=True)
class Group:
    """Comparisons that are shown as one.

    Attributes:
        worst: The figure that stands for them: of those that disagree, if there are any; a rounding jump only if all are.
        ratio: Error by bound of the worst.
        compared, wrong, jumps: How many there are, disagree, and are rounding jumps.
    """

    worst: dict[str, Any]
    ratio: float
    compared: int
    wrong: int
    jumps: int

    @property
    def agrees(self) -> bool:
        """Whether all agree."""
        return not self.wrong

    @property
    def verdict(self) -> str:
        """In words."""
        if self.wrong:
            return "disagrees"
        return (
            "agrees" if not self.jumps else "agrees, with a rounding jump" if self.jumps == 1 else "agrees, with rounding jumps"
        )

    @property
    def tally(self) -> str:
        """How many were compared, and what became of them."""
        parts = [f"{words.count(self.compared)} compared"]
        if self.wrong:
            parts.append("disagrees" if self.compared == 1 else f"{words.count(self.wrong)} disagree")
        if self.jumps:
            parts.append(words.count(self.jumps, "rounding jump"))
        return ", ".join(parts)


def group_of(figures: Sequence[dict[str, Any]]) -> Group:
    """One group of at least one figure."""
    wrong = [figure for figure in figures if not figure["agrees"]]
    settled = [figure for figure in figures if not figure["jump"]]
    worst = max(wrong or settled or figures, key=ratio_of)
    return Group(worst, ratio_of(worst), len(figures), len(wrong), len(figures) - len(settled))


def listed(figures: Sequence[dict[str, Any]]) -> tuple[list[Group], int]:
    """Rows for the list of figures, the worst first, and how many were left out.

    Steps that differ in nothing else are one row: a check of 200 steps would have 24,000 otherwise.
    """
    by_place: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    for figure in figures:
        by_place[figure["backend"], figure["dtype"], figure["stage"], STEP.sub("step", figure["case"]), figure["name"]].append(
            figure
        )
    by_backend: dict[tuple[str, str], list[Group]] = defaultdict(list)
    for (backend, dtype, *_), same in by_place.items():
        by_backend[backend, dtype].append(group_of(same))
    rows = []
    for groups in by_backend.values():
        rows += sorted(groups, key=_badness)[:LISTED]
    return sorted(rows, key=_badness), len(by_place) - len(rows)


def _badness(group: Group) -> tuple[bool, float]:
    return group.agrees, -group.ratio
