"""The sidecar, `FILE.json` beside an exported file: class names, inputs, hashes, and how well the file agrees with its run."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from unikeras import shapes
from unikeras.errors import ExportedFileError
from unikeras.exporting.formats import FORMATS
from unikeras.files import sha256
from unikeras.run import CONFIG

VERSION = 1  # of the sidecar; a higher number means a newer unikeras
SHAPE = {
    "sidecar": int,
    "format": str,
    "input": {"name": str, "shape": [int], "dtype": str},
    "class_names": [str],
    "file_hash": str,
    "weights_hash": str,
    "run_id": str,
}
AGAIN = "Export the run again: unikeras export RUN --format FORMAT."


def path_of(file: Path) -> Path:
    """Where the sidecar of an exported file is."""
    return file.with_name(file.name + ".json")


def is_exported(path: Path) -> bool:
    """Whether a path that may name a run is meant as an exported file, be it there or not."""
    if (path / CONFIG).is_file():  # what lies beside a run's folder says nothing
        return False
    named_so = path.suffix in {one.suffix for one in FORMATS.values() if one.suffix}
    return named_so or path.is_file() or path_of(path).is_file() or (path / "saved_model.pb").is_file()


def read(file: Path) -> dict[str, Any]:
    """What the sidecar of an exported file says.

    Raises:
        ExportedFileError: file or sidecar is missing, or is none of unikeras, or of a newer version.
    """
    path = path_of(file)
    if not file.exists():
        raise ExportedFileError(f"There is no exported file {file}.", cure="Give the path that `unikeras export` printed.")
    if not path.is_file():
        raise ExportedFileError(
            f"{file} has no sidecar: {path.name} is missing beside it.",
            cure="Keep the two together; a file that unikeras did not export can't be used here.",
        )
    return parse(path)


def parse(path: Path) -> dict[str, Any]:
    """What a sidecar says.

    Raises:
        ExportedFileError: it is none, or of a newer version.
    """
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise ExportedFileError(f"{path} can't be read: {error.strerror}.", cure=AGAIN) from None
    except (ValueError, RecursionError):
        raise ExportedFileError(f"{path} is no sidecar: it is no JSON.", cure=AGAIN) from None
    if isinstance(content, dict) and isinstance(content.get("sidecar"), int) and content["sidecar"] > VERSION:
        raise ExportedFileError(f"A newer unikeras wrote {path}.", cure="pip install --upgrade unikeras.")
    fault = shapes.fault(content, SHAPE)
    if fault is None and content["format"] not in FORMATS:
        fault = f"its format is {content['format']!r}"
    if fault:
        raise ExportedFileError(f"{path} is no sidecar: {fault}.", cure=AGAIN)
    return dict(content)


def digest(file: Path) -> str:
    """SHA-256 of a file, or of a folder's files with their names."""
    if file.is_file():
        return sha256(file)
    total = hashlib.sha256()
    for path in sorted(path for path in file.rglob("*") if path.is_file()):
        total.update(f"{path.relative_to(file).as_posix()} {digest(path)};".encode())
    return total.hexdigest()


def require_unchanged(file: Path, described: dict[str, Any]) -> None:
    """Checks that a file is the one that its sidecar describes.

    Raises:
        ExportedFileError: it is another, or can't be read.
    """
    try:
        found = digest(file)
    except OSError as error:
        raise ExportedFileError(f"{file} can't be read: {error.strerror}.", cure=AGAIN) from None
    if found != described["file_hash"]:
        raise ExportedFileError(f"{file} is not the file that {path_of(file).name} describes: its hash is another.", cure=AGAIN)
