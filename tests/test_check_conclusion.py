"""What follows from the workers' figures: the verdict, and what becomes of it where a known defect of a framework is gone."""

from __future__ import annotations

import json
import math
from typing import Any

from rich.console import Console

from unikeras.backends import BACKENDS
from unikeras.check_conclusion import Findings, conclude
from unikeras.check_printing import print_result
from unikeras.check_request import make_request
from unikeras.checking.figures import ROUNDOFF, Figure
from unikeras.checking.result import CheckResult
from unikeras.settings import Settings

U = ROUNDOFF["float32"]
DEFECT = {"backend": "torch", "dtype": "float32", "layer": "pool", "what": "averages over a repeated edge", "measured": 0.1}


def answer_of(*figures: Figure, defects: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """What a worker gives back, whose losses are the reference's."""
    described = [figure.to_dict() for figure in figures]
    return {"figures": described, "losses": [2.0, 1.0], "exact_is_right": None, "defects": defects or []}


def result_from(**answers: dict[str, Any]) -> CheckResult:
    """The result of a check of torch alone, from its answer in each dtype."""
    request = make_request(Settings(model="mlp", backend="torch"), quick=True, dtype="both" if len(answers) > 1 else None)
    trajectory = {"center": [2.0, 1.0], "twins": [[2.0, 1.0]]}
    measured = {("torch", dtype): answer for dtype, answer in answers.items()}
    return conclude(request, [BACKENDS["torch"]], Findings({}, trajectory, measured, None), 1.0)


def result_of(*figures: Figure, defects: list[dict[str, Any]] | None = None) -> CheckResult:
    """The result of a check of torch alone in float32."""
    return result_from(float32=answer_of(*figures, defects=defects))


def right(name: str = "pool:output") -> Figure:
    return Figure("forward", "inference", name, U, U)


def wrong(stage: str = "forward", name: str = "pool:output", **fields: Any) -> Figure:
    return Figure(stage, "inference", name, 0.1, U, exact=0.1, exact_floor=ROUNDOFF["float64"], **fields)


def printed(result: CheckResult) -> str:
    console = Console(width=200)
    with console.capture() as capture:
        print_result(result, console)
    return capture.get()


def test_what_agrees_agrees() -> None:
    assert result_of(right())
    assert not result_of(wrong())


def test_the_first_divergence_is_that_of_the_earliest_stage() -> None:
    result = result_from(float32=answer_of(wrong("gradients", "conv/kernel")), float64=answer_of(wrong()))
    assert result.first_divergence is not None
    assert (result.first_divergence["stage"], result.first_divergence["layer"]) == ("forward", "pool")


def test_the_result_is_json_although_errors_are_infinite() -> None:
    result = result_of(Figure("forward", "inference", "pool:output", math.inf, U, "missing"))
    assert json.loads(json.dumps(result.to_dict(), allow_nan=False))["divergences"][0]["error"] is None


def test_the_diagnosis_may_blame_another_layer_than_the_one_that_shows_it() -> None:
    result = result_of(wrong(name="norm1:input", looks_like="the relu is missing", layer="conv1"))
    assert result.first_divergence is not None
    assert result.first_divergence["layer"] == "conv1"


def test_a_known_defect_that_holds_is_told_beside_the_divergence_that_it_makes() -> None:
    result = result_of(wrong(), defects=[{**DEFECT, "holds": True}])
    assert not result.agree
    assert "known: averages over a repeated edge (pool on torch)" in printed(result)


def test_a_known_defect_that_is_gone_fails_the_check() -> None:
    result = result_of(right(), defects=[{**DEFECT, "holds": False}])
    assert (result.agree, result.first_divergence) == (False, None)
    assert "unikeras/checking/known_defects.py: averages over a repeated edge" in printed(result)
