"""run.json over a run's life: what it was started with, and every process that has worked on it since."""

from __future__ import annotations

import datetime
from typing import Any

from unikeras.errors import DataError, ModelError

CURE = "Bring back what the run was started with, or train anew with another --output."


def require_same(before: dict[str, Any], now: dict[str, Any]) -> None:
    """Checks that a run goes on with the data and the model files that it was started with.

    Args:
        before: run.json as it is.
        now: What run.json would say of this process.

    Raises:
        DataError, ModelError: something else would be trained from here on.
    """
    if before["data_hash"] != now["data_hash"]:
        raise DataError("The dataset is not the one that the run was started with: its hash is another.", cure=CURE)
    if before["model_hash"] != now["model_hash"]:
        raise ModelError("The model file has been changed since the run was started.", cure=CURE)
    for earlier in before["history"]:
        if earlier["backend"] == now["backend"] and earlier["model_file_hash"] != now["history"][0]["model_file_hash"]:
            raise ModelError(f"The model file of {now['backend']} has been changed since it worked on the run.", cure=CURE)


def entry(backend: str, device: str, model_file_hash: str, epochs: int) -> dict[str, Any]:
    """What run.json says of one process that works on the run; `joined` adds where it began."""
    started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return {
        "backend": backend,
        "device": device,
        "model_file_hash": model_file_hash,
        "epochs": epochs,
        "started": started,
        "from_epoch": 1,
        "from_step": 0,
    }


def joined(before: dict[str, Any], now: dict[str, Any], epoch: int, step: int) -> dict[str, Any]:
    """run.json of a run that `now` goes on with: the start stays, the history and what is true now are renewed."""
    latest = {**now["history"][0], "from_epoch": epoch, "from_step": step}
    return {**now, "initial_weights": before["initial_weights"], "history": [*before["history"], latest]}


def changed_versions(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Packages that are of another version than before, in words: the same bits are promised only where there are none."""
    old, new = before["versions"], now["versions"]
    return [f"{name} {old.get(name)} → {version}" for name, version in new.items() if old.get(name) != version]
