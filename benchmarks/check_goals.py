"""How far `unikeras check` finds the backends to agree, against the goals of docs/check.md.

    python benchmarks/check_goals.py [--models mlp,cnn,resnet8] [--goals float64,float32] [--steps 1000]

float64  All update rules: the largest error of forward pass, gradients, slots and updated parameters, and of the loss after 100
         steps that nobody corrects.
float32  The losses of the first ten such steps; teacher-forced steps, and how many of them have an error above twice the noise
         floor.

Prints a JSON object for every goal, model and backend, as soon as it is measured.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from unikeras import check_command, check_request, progress
from unikeras.backends import BACKENDS
from unikeras.checking.figures import ROUNDOFF
from unikeras.checking.result import CheckResult
from unikeras.settings import Settings

EXACT, FREE, TEN = 1e-12, 1e-9, 1e-5  # relative
FREE_STEPS, EPOCHS = 100, 10  # a check of 20 steps cuts the dataset to ten batches
FLOORS = 2.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="mlp,cnn,resnet8")
    parser.add_argument("--goals", default="float64,float32")
    parser.add_argument("--steps", type=int, default=1000)
    options = parser.parse_args()
    measure = {"float64": float64, "float32": lambda model: float32(model, options.steps)}
    for goal in options.goals.split(","):
        for model in options.models.split(","):
            for row in measure[goal](model):
                print(json.dumps({"dtype": goal, "model": model, **row}), flush=True)


def float64(model: str) -> Iterator[dict[str, Any]]:
    """Largest errors, with where they are, and that of the loss after 100 free steps."""
    result = _check(model, epochs=EPOCHS, optimizer="all", dtype="float64")
    worst: dict[tuple[str, str], tuple[float, str]] = defaultdict(lambda: (0.0, ""))
    for figure in result.figures:
        kind = _kind(figure)
        if kind is not None:
            found = _relative(figure, kind), f"{figure['name']} ({figure['case']})"
            worst[figure["backend"], kind] = max(worst[figure["backend"], kind], found)
    for (backend, kind), (error, where) in worst.items():
        yield {"backend": backend, "what": kind, "measured": error, "where": where, "met": error <= EXACT}
    yield from _losses(result, [FREE_STEPS], FREE)


def _losses(result: CheckResult, steps: Iterable[int], bound: float) -> Iterator[dict[str, Any]]:
    """Losses of a run that nobody corrects, relative to those of the float64 reference."""
    (row,) = result.trajectory
    for backend, losses in row["backends"].items():
        error, step = max((abs(losses[step - 1] / row["center"][step - 1] - 1), step) for step in steps)
        yield {"backend": backend, "what": "loss", "measured": error, "where": f"step {step}", "met": error <= bound}


def _kind(figure: dict[str, Any]) -> str | None:
    stage, name = figure["stage"], figure["name"]
    if stage == "forward":
        return None if figure["case"] == "dropout" else "forward"
    if stage in ("optimizer", "steps"):
        return "slots" if name.startswith(("momentum/", "velocity/")) else "updates" if name.count("/") else None
    return stage if stage == "gradients" else None


def _relative(figure: dict[str, Any], kind: str) -> float:
    """An update's error is in learning rates; its floor is a rounding of the parameter, and so is the way to the parameter."""
    if kind != "updates" or not figure["floor"]:
        return float(figure["error"])
    return float(figure["error"] / figure["floor"] * ROUNDOFF["float64"])


def float32(model: str, steps: int) -> Iterator[dict[str, Any]]:
    """The first ten losses; steps with an error above twice the floor, and the worst error, in floors and by the bound."""
    result = _check(model, steps=steps)
    yield from _losses(result, range(1, 11), TEN)
    for backend in result.settings["backends"]:
        own = [one for one in result.figures if one["backend"] == backend and one["stage"] == "steps"]
        floors = {(one["case"], one["name"]): one["error"] / one["floor"] for one in own if one["floor"]}
        above = {case for (case, _), ratio in floors.items() if ratio > FLOORS}
        noisy = {one["case"] for one in own if one["error"] > FLOORS * ((one["noise"] or 0.0) + one["floor"])}
        where = max(floors, key=lambda place: floors[place])
        yield {
            "backend": backend,
            "what": f"{steps} steps",
            "compared": len(own),
            "measured": floors[where],
            "where": f"{where[1]} ({where[0]})",
            "steps_above_twice_the_floor": len(above),
            "above_twice_the_floor": sum(ratio > FLOORS for ratio in floors.values()),
            "steps_above_twice_floor_and_others": len(noisy),
            "worst_by_bound": max(one["error"] / one["bound"] for one in own if one["bound"]),
            "disagree": sum(not one["agrees"] for one in own),
            "jumps": sum(one["jump"] for one in own),
            "met": not above,
        }


def _check(model: str, epochs: int | None = None, **extent: Any) -> CheckResult:
    settings = Settings(model=model, backend=",".join(BACKENDS))
    request = check_request.make_request(settings, **extent)
    if epochs is not None:
        request = dataclasses.replace(request, settings=dataclasses.replace(request.settings, epochs=epochs))
    return check_command.check(request, progress.make_display(quiet=True, json=True))


if __name__ == "__main__":
    main()
