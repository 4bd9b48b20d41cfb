"""Going on with a run, parent side: what state its folder is in, and what may have changed since."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from unikeras import run
from unikeras.errors import RunError, SettingsError
from unikeras.events import Emit, Notice
from unikeras.optimizers import Schedule
from unikeras.run import Run
from unikeras.settings import Settings, as_option

# Everything else is part of what is trained: a run that changed it on the way could not be compared with any other.
MAY_CHANGE = {
    "backend",
    "epochs",
    "threads",
    "log_every",
    "checkpoint_every",
    "max_restarts",
    "on_nan",
    "data_dir",
    "cache_dir",
    "output",
}


def is_run(folder: Path) -> bool:
    """Whether a training has begun there."""
    return (folder / run.CONFIG).is_file()


def compare(before: Settings, now: Settings, folder: Path) -> list[str]:
    """What is different now, in words.

    Raises:
        SettingsError: something is that must not be.
    """
    old, new = before.to_dict(), now.to_dict()
    changed = [name for name in old if old[name] != new[name] and name != "output"]
    refused = [name for name in changed if name not in MAY_CHANGE]
    if refused:
        words = ", ".join(f"{as_option(name)} {_shown(old[name])}, not {_shown(new[name])}" for name in refused)
        raise SettingsError(
            f"The run in {folder} was started with {words}.",
            cure=f"`unikeras resume {folder}` goes on with the run's own settings; another --output starts a new run.",
        )
    if now.epochs < before.epochs:
        raise SettingsError(
            f"The run in {folder} is to have {before.epochs} epochs, and {as_option('epochs')} is {now.epochs}.",
            cure=f"Allowed: {before.epochs} or more.",
        )
    return [f"{as_option(name)} {_shown(old[name])} → {_shown(new[name])}" for name in changed]


def schedule_changes(before: Settings, now: Settings) -> list[str]:
    """What more epochs do to a falling learning rate, which is a function of the epochs that are planned."""
    if now.epochs == before.epochs or now.schedule == "constant":
        return []
    plans = [Schedule(s.schedule, s.learning_rate, s.epochs * 1000, 0) for s in (before, now)]
    old, new = (plan(before.epochs * 1000) for plan in plans)
    return [
        f"the {now.schedule} schedule spans {now.epochs} epochs from here on: after epoch {before.epochs} the learning rate is "
        f"{new:.2g}, where that of {before.epochs} epochs ends at {old:.2g}"
    ]


def has_more_to_do(folder: Path, now: Settings, emit: Emit) -> bool:
    """Whether the run in a folder, which is to go on with the settings `now`, has something left to train; says what is changed.

    Raises:
        SettingsError: a setting is changed that must not be.
        RunError: a finished run is to have more epochs, and its checkpoints are gone.
    """
    before = load_started(folder).settings
    changes = compare(before, now, folder)
    is_finished = (folder / run.RESULT).is_file()
    if is_finished and now.epochs == before.epochs:
        emit(
            Notice(
                f"the run in {folder} is finished; there is nothing to do" + (f" with {', '.join(changes)}" if changes else "")
            )
        )
        return False
    if is_finished and not run.checkpoint_paths(folder / run.CHECKPOINTS):
        raise RunError(
            f"The finished run in {folder} has no checkpoint to go on from.",
            cure="Train anew with more --epochs and another --output.",
        )
    for change in [*changes, *schedule_changes(before, now)]:
        emit(Notice(f"changed: {change}"))
    return True


def load_started(path: str | Path) -> Run:
    """The run in a folder, finished or not.

    Raises:
        RunError: there is none, it is damaged, or of a newer version.
    """
    folder = Path(path).expanduser()
    if not is_run(folder):
        raise RunError(f"{folder} holds no run: it has no {run.CONFIG}.", cure="Give the folder that `unikeras train` named.")
    found = Run(folder)
    if (folder / run.PROVENANCE).is_file():  # which it has from its first checkpoint on
        _ = found.provenance  # it says whether this version can go on with the run
    return found


def _shown(value: Any) -> str:
    return "not given" if value is None else str(value)
