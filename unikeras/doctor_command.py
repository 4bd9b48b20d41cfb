"""`unikeras doctor`, parent side: looks at the machine and tries every backend in a worker of its own."""

from __future__ import annotations

import dataclasses
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from unikeras import backends
from unikeras.backends import BackendInfo
from unikeras.data import cache
from unikeras.doctor import folders, machine, problems, software
from unikeras.errors import UnikerasError, WorkerError
from unikeras.events import Event, Job, Reached
from unikeras.launcher import child_environment, run_job
from unikeras.settings import Settings

STAGES = ("import", "build", "steps")
MOST_SECONDS = 300.0  # of a trial, which takes ten; the first import from a slow disk takes longer


def examine(settings: Settings, on_trial: Callable[[str], None]) -> dict[str, Any]:
    """All that doctor reports, as JSON values; `on_trial` is told the name of each backend before it is tried.

    `healthy` says whether a backend is installed, and all those that are work.
    """
    cache_folder = cache.datasets_folder(settings.cache_dir).parent
    facts = problems.Facts(
        machine=machine.look(),  # before the trials, which make the machine busy
        software=software.look(),
        folders=(folders.look(cache_folder, measured=True), folders.look(Path.cwd(), measured=False)),
        environment=os.environ,
        threads=settings.threads,
    )
    trials = []
    for info in backends.BACKENDS.values():
        on_trial(info.name)
        trials.append(try_backend(info, settings.threads))
    installed = [trial for trial in trials if trial["state"] != "missing"]
    return {
        "healthy": bool(installed) and all(trial["state"] == "works" for trial in installed),
        "versions": facts.software.versions,
        "machine": {**dataclasses.asdict(facts.machine), "free_cores": facts.machine.free_cores},
        "folders": dict(zip(("cache", "current"), map(dataclasses.asdict, facts.folders), strict=True)),
        "backends": trials,
        "problems": [dataclasses.asdict(problem) for problem in problems.find(facts)],
    }


def try_backend(info: BackendInfo, threads: int | None) -> dict[str, Any]:
    """How a backend fares: its `state` is works, broken or missing."""
    trial: dict[str, Any] = {"backend": info.name, "state": "missing", "device": None, "seconds": {}, "failed_at": None}
    if not info.installed:
        return {
            **trial,
            "error": f"it needs {' and '.join(info.missing)}, which is not installed here.",
            "cure": info.cure,
            "log": "",
        }
    seconds: dict[str, float] = {}
    try:
        device = _run(info, threads, seconds)["device"]
    except UnikerasError as error:
        failed_at = next(stage for stage in STAGES if stage not in seconds)
        why = {"error": error.message, "cure": _cure(info, failed_at), "log": error.details or error.cure.partition("\n")[2]}
        return {**trial, "state": "broken", "seconds": seconds, "failed_at": failed_at, **why}
    return {**trial, "state": "works", "device": device, "seconds": seconds, "error": None, "cure": None, "log": ""}


def _run(info: BackendInfo, threads: int | None, seconds: dict[str, float]) -> dict[str, Any]:
    """The trial's result; the seconds of each stage that it comes through are put into `seconds`.

    Raises:
        UnikerasError: what the worker reported, how it died, or that it takes too long.
    """
    begun = time.monotonic()

    def on_event(event: Event) -> None:
        if isinstance(event, Reached):
            seconds[event.stage] = event.seconds
        elif time.monotonic() - begun > MOST_SECONDS:  # a sign of life of a worker that gets nowhere
            raise WorkerError(f"It was not done after {MOST_SECONDS:.0f} s, and was ended.")

    job = Job("attempt", {"backend": info.name, "threads": threads, "launched_at": begun})
    with tempfile.TemporaryDirectory(prefix="unikeras-") as folder:
        result: dict[str, Any] = run_job(job, child_environment(info, threads), Path(folder) / "worker.log", on_event)
        return result


def _cure(info: BackendInfo, failed_at: str) -> str:
    if failed_at == "import":
        alone = (
            f"KERAS_BACKEND={info.framework} python -c 'import keras'"
            if info.uses_keras
            else f"python -c 'import {info.framework}'"
        )
        return f"`{alone}` shows it alone. Often cured by: pip install --force-reinstall {' '.join(info.packages)}"
    return f"`unikeras train --backend {info.name} --model simple-cnn --epochs 1 --debug` shows it in full."
