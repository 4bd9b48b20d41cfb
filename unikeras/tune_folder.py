"""The folder of a search: what is searched is written down in it, so that it goes on with that and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from unikeras import resumption, run
from unikeras.errors import RunError, SettingsError
from unikeras.settings import as_option
from unikeras.tune_request import Request

SEARCH = "tune.json"  # what is searched; its presence means that the folder is a search's
FORMAT = 1
MAY_CHANGE = resumption.MAY_CHANGE - {"backend", "epochs"}
CURE = "Go on with the same search, or choose another --output for a new one."


def claim(folder: Path, request: Request) -> None:
    """Makes a folder that of a search, or finds it to be that of this one. Its lock must be held.

    Raises:
        RunError: it holds something else, or can't be written.
        SettingsError: it holds another search.
    """
    file, now = folder / SEARCH, _description(request)
    if file.is_file():
        return _require_same(folder, run.read_json(file, {"format": int, "settings": dict, "search": dict}), now)
    strange = [path.name for path in folder.iterdir() if path.name != run.LOCK and path.suffix != ".partial"]
    if strange:
        raise RunError(f"{folder} holds files already, and they are no search.", cure="Choose another --output.")
    return run.write_json(file, now)


def searched(request: Request) -> dict[str, str]:
    """Spaces by setting name, as on the command line."""
    return {space.name: str(space).partition("=")[2] for space in request.spaces}


def _description(request: Request) -> dict[str, Any]:
    """What a search must stay the same in."""
    leave_out = MAY_CHANGE | {space.name for space in request.spaces}
    settings = {name: value for name, value in request.settings.to_dict().items() if name not in leave_out}
    return {
        "format": FORMAT,
        "search": searched(request),
        "metric": request.metric,
        "prune": request.prune,
        "settings": settings,
    }


def _require_same(folder: Path, before: dict[str, Any], now: dict[str, Any]) -> None:
    if before["format"] != FORMAT:
        raise RunError(
            f"The search in {folder} is of format {before['format']}; this unikeras knows format {FORMAT}.",
            cure="pip install --upgrade unikeras",
        )
    old, new = _flat(before), _flat(now)
    names = [name for name in dict.fromkeys([*old, *new]) if old.get(name) != new.get(name)]
    changed = [name for name in names if name.startswith("--search") or name in old.keys() & new.keys()]
    if changed:
        words = ", ".join(f"{name} {_shown(old.get(name))}, and now it is {_shown(new.get(name))}" for name in changed)
        raise SettingsError(f"The search in {folder} was started with {words}.", cure=CURE)


def _flat(description: dict[str, Any]) -> dict[str, Any]:
    """By option."""
    options = {f"--search {name}": value for name, value in description["search"].items()}
    options |= {as_option(name): value for name, value in description["settings"].items()}
    return {**options, "--metric": description.get("metric"), "--prune": "on" if description.get("prune") else "off"}


def _shown(value: Any) -> str:
    return "not given" if value is None else str(value)
