"""Where an exported file goes: what may be replaced there, and how the whole file comes there or nothing. Parent side."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from unikeras.errors import ExportedFileError, SettingsError
from unikeras.exporting import sidecar
from unikeras.exporting.formats import Format
from unikeras.files import sync_folder, write_bytes
from unikeras.run import Run

FOLDER = "exported"  # in the run's folder; where exports go if no --output is given


def run_id(finished: Run) -> str:
    """What tells runs apart, wherever their folders are: their start, not what they were trained to since."""
    known = finished.provenance
    first = known["history"][0] if known["history"] else {}
    start = [first.get("started"), *(known[key] for key in ("initial_weights", "data_hash", "model_hash", "backend"))]
    return hashlib.sha256(json.dumps(start).encode()).hexdigest()


def choose(finished: Run, chosen: Format, output: Path | None) -> Path:
    """The path of an export, whose folder exists then.

    Raises:
        SettingsError: the path can't be written, or holds something that is no export of this run.
    """
    path = output or finished.path / FOLDER / chosen.file_name
    if chosen.suffix and path.suffix != chosen.suffix:
        raise SettingsError(
            f"--output is {path}.", cure=f"A file of format {chosen.name} needs a name that ends in {chosen.suffix}."
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(path.parent, error) from None
    if not os.access(path.parent, os.W_OK):
        raise SettingsError(f"{path.parent} can't be written.", cure="Choose another --output.")
    if path.exists() or sidecar.path_of(path).exists():
        _require_own(path, chosen, finished)
    return path


def _require_own(path: Path, chosen: Format, finished: Run) -> None:
    """Only an export of the same run is replaced; a sidecar that has lost its file still says whose it is."""
    beside = sidecar.path_of(path)
    if not beside.is_file():
        raise _taken(path, f"and is no export: it has no {beside.name} beside it")
    try:
        described = sidecar.parse(beside)
    except ExportedFileError:
        raise _taken(beside, "and is no sidecar of an export") from None
    if described["run_id"] != run_id(finished) or described["format"] != chosen.name:
        raise _taken(path, f"an export of another run or format ({described['format']})")


def commit(made: Path, path: Path, described: dict[str, Any]) -> None:
    """Gives a verified export its name; the sidecar comes first, so that no file is ever there with a sidecar that fits less.

    Raises:
        SettingsError: the path can't be written.
    """
    try:
        _sync(made)
        write_bytes(sidecar.path_of(path), (json.dumps(described, indent=2, ensure_ascii=False) + "\n").encode())
        _move(made, path)
    except OSError as error:
        raise _unwritable(path, error) from None


def keep_bad(made: Path, path: Path) -> Path:
    """Keeps an export that is wrong, under a name that says so and without a sidecar; an earlier one of that name goes.

    Raises:
        SettingsError: the path can't be written.
    """
    bad = path.with_name(f"{path.stem}.bad{path.suffix}")
    try:
        _move(made, bad)
    except OSError as error:
        raise _unwritable(bad, error) from None
    return bad


def _move(made: Path, path: Path) -> None:
    """A folder can't be replaced in one step: the old one goes into the temporary folder of the new one first."""
    if path.is_dir():
        path.rename(made.parent / "old")
    made.replace(path)
    sync_folder(path.parent)


def _sync(made: Path) -> None:
    for path in [made, *made.rglob("*")]:
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())


def _taken(path: Path, what: str) -> SettingsError:
    return SettingsError(f"{path} exists already, {what}.", cure="Choose another --output, or remove it.")


def _unwritable(path: Path, error: OSError) -> SettingsError:
    return SettingsError(f"{path} can't be written: {error.strerror}.", cure="Make room, or choose another --output.")
