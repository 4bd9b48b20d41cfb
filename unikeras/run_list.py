"""The runs in a folder: which are running, finished, resumable or crashed."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from unikeras import run, run_lock, shapes
from unikeras.errors import RunError, UnikerasError

TAIL_BYTES = 4096  # of metrics.jsonl, which hold its last rows


def list_runs(folder: Path) -> list[dict[str, Any]]:
    """A row per run in `folder` and its subfolders, in the order of their names.

    Returns:
        JSON values: `run` (its folder); `state`; `backend`, `model`, `dataset`; `epoch` and `step` of the last row written and
        `epochs` planned; `checkpoint`, the step that a resume goes on from, or None; `silent_seconds` since the last sign of
        life, by the clock of the day.
        The state is `running` (a process holds the run's lock), `finished`, `resumable` (from a checkpoint) or `crashed` (before
        its first one: it would start again).

    Raises:
        RunError: there is no such folder.
    """
    if not folder.is_dir():
        raise RunError(f"There is no folder {folder}.", cure="Give the folder that holds runs; without one it is runs/ here.")
    configs = [*folder.glob(run.CONFIG), *folder.glob(f"*/{run.CONFIG}"), *folder.glob(f"*/*/{run.CONFIG}")]
    return [_row(config.parent) for config in sorted(configs)]


def _row(folder: Path) -> dict[str, Any]:
    checkpoints = run.checkpoint_paths(folder / run.CHECKPOINTS)
    last = _last_row(folder / run.METRICS)
    life = run_lock.last_life(folder)
    return {
        "run": str(folder),
        "state": state_of(folder),
        **_settings(folder),
        "epoch": last.get("epoch", 0),
        "step": last.get("step", 0),
        "checkpoint": run.checkpoint_step(checkpoints[0]) if checkpoints else None,
        "silent_seconds": None if life is None else round(max(0.0, time.time() - life), 1),
    }


def state_of(folder: Path) -> str:
    """The state of the run in a folder, as `list_runs` says it."""
    if run_lock.is_held(folder):
        return "running"
    if (folder / run.RESULT).is_file():
        return "finished"
    return "resumable" if run.checkpoint_paths(folder / run.CHECKPOINTS) else "crashed"


def _settings(folder: Path) -> dict[str, Any]:
    try:
        settings = run.Run(folder).settings
    except UnikerasError:  # it is damaged, or of a version with other settings
        return {"backend": "?", "model": "?", "dataset": "?", "epochs": None}
    return {"backend": settings.backend, "model": settings.model, "dataset": settings.dataset, "epochs": settings.epochs}


def _last_row(path: Path) -> dict[str, Any]:
    """The last whole row; a process may just be writing the next. {} if there is none, or it is damaged."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL_BYTES))
            lines = file.read().split(b"\n")[:-1]
        row = json.loads(lines[-1]) if lines else {}
    except (OSError, ValueError, RecursionError):
        return {}
    return {} if shapes.fault(row, {"epoch": int, "step": int}) else dict(row)
