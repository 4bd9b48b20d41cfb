"""Stage 7 of a check: do the backends reach the same accuracy? Short trainings from several seeds, and an equivalence test."""

from __future__ import annotations

import dataclasses
import math
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from unikeras import run
from unikeras.backends import BackendInfo
from unikeras.checking.figures import UNITS, Figure
from unikeras.events import EpochEnd, Event, Job, Stage
from unikeras.launcher import child_environment
from unikeras.pool import Task, run_tasks
from unikeras.progress import Display
from unikeras.settings import Settings

SEEDS = 5
EPOCHS = 10
MARGIN = 0.02  # two points: what one backend's accuracy varies by from seed to seed on small test sets
CONFIDENCE = 0.95  # of each of the two one-sided tests


def measure(
    settings: Settings, chosen: Sequence[BackendInfo], dataset: Path, folder: Path, at_once: int, display: Display
) -> tuple[dict[str, Any], dict[str, Figure]]:
    """Trains every backend from every seed.

    Returns:
        What the report shows, and a figure for each backend: the end of the confidence interval of its difference from the others
        that is further from zero. It agrees where that lies within the margin, which is two one-sided t-tests (Schuirmann 1987).
    """
    settings = dataclasses.replace(settings, epochs=EPOCHS, batch_size=64, schedule="cosine", dtype="float32", threads=1)
    keys = [(info, settings.seed + offset) for offset in range(SEEDS) for info in chosen]
    tasks = [_task(settings, info, seed, dataset, folder) for info, seed in keys]
    done = 0

    def on_event(event: Event) -> None:
        nonlocal done
        if isinstance(event, EpochEnd):
            done += 1
            display.on_event(Stage("all", f"{SEEDS} seeds", "accuracy", done / (EPOCHS * len(tasks))))

    results = run_tasks(tasks, at_once, on_event)
    accuracies: dict[str, list[float]] = {info.name: [] for info in chosen}
    for (info, _), result in zip(keys, results, strict=True):
        accuracies[info.name].append(result["test_accuracy"])
    comparisons = compare(accuracies) if len(accuracies) > 1 else []
    shown = {
        "seeds": [settings.seed + offset for offset in range(SEEDS)],
        "epochs": EPOCHS,
        "margin": MARGIN,
        "accuracies": accuracies,
        "comparisons": comparisons,
    }
    return shown, figures_of(comparisons)


def _task(settings: Settings, info: BackendInfo, seed: int, dataset: Path, folder: Path) -> Task:
    own = dataclasses.replace(settings, backend=info.name, seed=seed)
    place = folder / "accuracy" / f"{info.name}-{seed}"
    run.make_folder(place)
    run.begin(place, own)
    arguments = {"settings": own.to_dict(), "folder": str(place), "dataset": str(dataset), "launched_at": time.monotonic()}
    return Task(Job("train", arguments), child_environment(info, 1), place / run.LOG)


def compare(accuracies: dict[str, list[float]]) -> list[dict[str, Any]]:
    """For each backend its difference from the mean of the others, seed by seed, with the confidence interval of it.

    Args:
        accuracies: Of each backend, from the same seeds.
    """
    return [_compare(name, accuracies) for name in accuracies]


def figures_of(comparisons: Sequence[dict[str, Any]]) -> dict[str, Figure]:
    """A figure for each backend: the end of its interval that is further from zero."""
    return {one["backend"]: _figure(one) for one in comparisons}


def _compare(name: str, accuracies: dict[str, list[float]]) -> dict[str, Any]:
    from scipy import stats

    others = [values for other, values in accuracies.items() if other != name]
    differences = [own - statistics.fmean(same) for own, *same in zip(accuracies[name], *others, strict=True)]
    mean, count = statistics.fmean(differences), len(differences)
    half = float(stats.t.ppf(CONFIDENCE, count - 1)) * statistics.stdev(differences) / math.sqrt(count)
    return {"backend": name, "difference": mean, "low": mean - half, "high": mean + half}


def _figure(comparison: dict[str, Any]) -> Figure:
    error = max(abs(comparison["low"]), abs(comparison["high"]))
    return Figure("accuracy", f"{SEEDS} seeds, {EPOCHS} epochs", "test accuracy", error, MARGIN / UNITS)
