"""How far `unikeras check` finds the backends to agree, against the goals of docs/check.md.

    python benchmarks/check_goals.py [--models mlp,cnn,resnet8] [--goals exact,free,forced] [--steps 1000]

exact   float64, all update rules: the largest error of forward pass, gradients, slots and updated parameters.
free    A training run of over 100 steps: the loss after 100 in float64, and of the first ten in float32.
forced  Teacher-forced float32 steps: how many have an error above twice the noise floor.

Prints a JSON object for every goal, model and backend, as soon as it is measured.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from unikeras import check_command, check_request, progress
from unikeras.backends import BACKENDS
from unikeras.checking.figures import ROUNDOFF
from unikeras.checking.result import CheckResult
from unikeras.settings import Settings

EXACT, FREE, TEN = 1e-12, 1e-9, 1e-5  # relative
FREE_STEPS, EPOCHS = 100, 3  # two epochs of digits are only 90 steps
FLOORS = 2.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="mlp,cnn,resnet8")
    parser.add_argument("--goals", default="exact,free,forced")
    parser.add_argument("--steps", type=int, default=1000)
    options = parser.parse_args()
    measure = {"exact": exact, "free": free, "forced": lambda model: forced(model, options.steps)}
    for goal in options.goals.split(","):
        for model in options.models.split(","):
            for row in measure[goal](model):
                print(json.dumps({"goal": goal, "model": model, **row}), flush=True)


def exact(model: str) -> Iterator[dict[str, Any]]:
    """Largest errors in float64, with where they are."""
    result = _check(model, optimizer="all", dtype="float64")
    worst: dict[tuple[str, str], tuple[float, str]] = defaultdict(lambda: (0.0, ""))
    for figure in result.figures:
        kind = _kind(figure)
        if kind is not None:
            found = _relative(figure, kind), f"{figure['name']} ({figure['case']})"
            worst[figure["backend"], kind] = max(worst[figure["backend"], kind], found)
    for (backend, kind), (error, where) in worst.items():
        yield {"backend": backend, "what": kind, "measured": error, "where": where, "met": error <= EXACT}


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


def free(model: str) -> Iterator[dict[str, Any]]:
    """Losses of a run that nobody corrects, relative to those of the float64 reference."""
    result = _check(model, dtype="both", steps=2, epochs=EPOCHS)
    for row in result.trajectory:
        last, bound, what = (FREE_STEPS, FREE, "step 100") if row["dtype"] == "float64" else (10, TEN, "first ten steps")
        first = last - 1 if row["dtype"] == "float64" else 0
        for backend, losses in row["backends"].items():
            error = max(abs(losses[step] / row["center"][step] - 1) for step in range(first, last))
            yield {"backend": backend, "what": f"{row['dtype']}, {what}", "measured": error, "met": error <= bound}


def forced(model: str, steps: int) -> Iterator[dict[str, Any]]:
    """Steps with an error above twice the floor, and the worst error of all, in floors and by the bound that agrees."""
    result = _check(model, steps=steps)
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
