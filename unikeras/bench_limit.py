"""The machine's limit, parent side: a worker for each framework measures it, before anybody races."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from unikeras import backends, run
from unikeras.bench_contestant import Contestant
from unikeras.bench_request import Request
from unikeras.events import Job
from unikeras.launcher import child_environment, run_job
from unikeras.progress import Display
from unikeras.settings import Settings


def stages(request: Request) -> int:
    """How many measurements there are for each batch size."""
    return len(_frameworks(request)) if request.limit else 0


def measure(request: Request, settings: Settings, dataset: Path, display: Display) -> dict[str, Any]:
    """What `unikeras.bench.limit` finds at the batch size of `settings`, by framework; nothing where nobody asked.

    Raises:
        UnikerasError: the Keras model can't be built, or its layers can't be computed.
    """
    if not request.limit:
        return {}
    limits = {}
    for framework in _frameworks(request):
        display.bench_progress(f"batch {settings.batch_size}: limit of {framework}")
        info = backends.keras_on(framework)
        arguments = {"settings": dataclasses.replace(settings, backend=info.name).to_dict(), "dataset": str(dataset)}
        with TemporaryDirectory(prefix="unikeras-") as folder:
            environment, log = child_environment(info, settings.threads), Path(folder) / run.LOG
            limits[framework] = run_job(Job("bench_limit", arguments), environment, log, display.on_event)
    return limits


def joined(race: dict[str, Any], limits: dict[str, Any], contestants: Sequence[Contestant]) -> dict[str, Any]:
    """The race with the limits, and with each contestant's share of that of its framework: None where there is none."""
    for row, contestant in zip(race["contestants"], contestants, strict=True):
        limit = limits.get(contestant.info.framework)
        row["limit_share"] = limit and limit["seconds_per_image"] * row["images_per_second"]
    return {**race, "limits": limits}


def _frameworks(request: Request) -> list[str]:
    return list(dict.fromkeys(contestant.info.framework for contestant in request.contestants))
