"""`unikeras check`, parent side: a worker makes the reference, and one for each backend measures."""

from __future__ import annotations

import dataclasses
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from unikeras import backends, check_accuracy, commands, model_files
from unikeras.backends import BackendInfo
from unikeras.check_conclusion import Findings, conclude
from unikeras.check_request import Request, plant_for, require_planted
from unikeras.checking.result import CheckResult
from unikeras.errors import BackendError
from unikeras.events import Job
from unikeras.launcher import child_environment
from unikeras.pool import Task, run_tasks
from unikeras.progress import Display


def check(request: Request, display: Display) -> CheckResult:
    """Compares all backends of the request with the reference and with each other.

    Raises:
        UnikerasError: the comparison could not be made.
    """
    started = time.monotonic()
    settings = request.settings
    chosen = backends.select(settings.backend)
    require_planted(request, chosen)
    keras_file = model_files.locate(settings.model)
    for info in chosen:
        model_files.framework_file(keras_file, info.framework, info.uses_keras)
    dataset = commands.prepare(commands.request_of(settings), display)
    with tempfile.TemporaryDirectory(prefix="unikeras-check-") as folder:
        display.begin_check(1 + len(_measured(request, chosen)) + request.full)
        try:
            reference = _make_reference(request, dataset, Path(folder), display)
            measured = _measure(request, chosen, Path(folder), display)
            accuracy = (
                check_accuracy.measure(settings, chosen, dataset, Path(folder), _cores(), display) if request.full else None
            )
            findings = Findings(reference, _read_trajectory(Path(folder)), measured, accuracy)
        finally:
            display.end_run()
    return conclude(request, chosen, findings, time.monotonic() - started)


def _make_reference(request: Request, dataset: Path, folder: Path, display: Display) -> dict[str, Any]:
    info = _reference_backend()
    arguments = {
        "folder": str(folder),
        "backend": info.name,
        "settings": dataclasses.replace(request.settings, threads=_cores()).to_dict(),
        "dataset": str(dataset),
        "steps": request.steps,
        "optimizers": list(request.optimizers),
    }
    task = Task(Job("check_reference", arguments), child_environment(info, _cores()), folder / "reference.log")
    (answer,) = run_tasks([task], 1, display.on_event)
    reference: dict[str, Any] = answer
    return reference


def _reference_backend() -> BackendInfo:
    """Keras on TensorFlow where it is installed, for its float64 is exact; otherwise another Keras."""
    able = [info for info in backends.BACKENDS.values() if info.uses_keras and info.installed]
    if not able:
        raise BackendError("No Keras backend is installed to make the reference.", cure="pip install tensorflow")
    return min(able, key=lambda info: info.name != "tensorflow")


def _measure(
    request: Request, chosen: list[BackendInfo], folder: Path, display: Display
) -> dict[tuple[str, str], dict[str, Any]]:
    """What each backend's worker reports, by backend and dtype. Each has one thread, and there are as many as cores."""
    keys = _measured(request, chosen)
    tasks = [
        Task(
            Job(
                "check_measure", {"folder": str(folder), "backend": info.name, "dtype": dtype, "plant": plant_for(request, info)}
            ),
            child_environment(info, 1),
            folder / f"{info.name}-{dtype}.log",
        )
        for info, dtype in keys
    ]
    answers = run_tasks(tasks, _cores(), display.on_event)
    return {(info.name, dtype): answer for (info, dtype), answer in zip(keys, answers, strict=True)}


def _measured(request: Request, chosen: list[BackendInfo]) -> list[tuple[BackendInfo, str]]:
    return [(info, dtype) for dtype in request.dtypes for info in chosen]


def _cores() -> int:
    return max(1, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def _read_trajectory(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "trajectory.json").read_text(encoding="utf-8"))
    return content
