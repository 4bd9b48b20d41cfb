"""Time to accuracy, parent side: every contestant trains until it is reached, each alone, once for every seed."""

from __future__ import annotations

import dataclasses
import random
import statistics
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from unikeras.bench_contestant import Contestant, Started, require_equal_losses
from unikeras.bench_request import Request
from unikeras.launcher import run_job
from unikeras.progress import Display
from unikeras.run import LOG
from unikeras.settings import Settings


def stages(request: Request) -> int:
    """How many trainings there are for each batch size."""
    return len(request.racers) * request.seeds


def measure(request: Request, batch_size: int, dataset: Path, display: Display) -> dict[str, Any]:
    """A row for each contestant, with its trainings.

    Raises:
        UnikerasError: a contestant failed, or doesn't train the same as the others.
    """
    first_seed = request.settings.seed
    runs: dict[str, list[dict[str, Any]]] = {contestant.name: [] for contestant in request.racers}
    for seed in range(first_seed, first_seed + request.seeds):
        settings = dataclasses.replace(request.settings, batch_size=batch_size, seed=seed)
        first: Started | None = None
        for contestant in random.Random(seed).sample(request.racers, len(request.racers)):
            display.bench_progress(f"batch {batch_size}, seed {seed}: {contestant.name} trains")
            found = _train(request, contestant, settings, dataset)
            started = (contestant.name, found["losses"])
            first = first or started
            require_equal_losses(first, started, settings.dtype)
            runs[contestant.name].append({"seed": seed, **found})
    return {"batch_size": batch_size, "contestants": [_row(name, own) for name, own in runs.items()]}


def _train(request: Request, contestant: Contestant, settings: Settings, dataset: Path) -> dict[str, Any]:
    with TemporaryDirectory(prefix="unikeras-bench-") as name:
        folder, goal = Path(name), {"target": request.to_accuracy, "most_epochs": request.most_epochs}
        job = contestant.job("bench_course", settings, dataset, folder, **goal)
        found: dict[str, Any] = run_job(job, contestant.environment(settings.threads), folder / LOG, lambda event: None)
    return found


def _row(name: str, runs: list[dict[str, Any]]) -> dict[str, Any]:
    """The median is of all seeds, so that there is none where a seed did not get there."""
    seconds = [run["seconds"] for run in runs]
    all_reached = all(run["reached"] for run in runs)
    return {
        "name": name,
        "variant": ", ".join(dict.fromkeys(run["variant"] for run in runs if run["variant"])),
        "median_seconds": statistics.median(seconds) if all_reached else None,
        "least_seconds": min(seconds) if all_reached else None,
        "most_seconds": max(seconds) if all_reached else None,
        "median_epochs": statistics.median(run["epochs"] for run in runs),
        "reached": sum(run["reached"] for run in runs),
        "runs": runs,
    }
