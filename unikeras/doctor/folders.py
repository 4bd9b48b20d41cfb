"""The folders that unikeras writes into: how large, how full, and whether they can be written."""

from __future__ import annotations

import dataclasses
import os
import shutil
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class Folder:
    """Sizes in bytes.

    Attributes:
        size: Of what is in it; None where nobody asked, and 0 if it is not there yet.
        free: On its disk.
    """

    path: str
    size: int | None
    free: int
    writable: bool


def look(path: Path, measured: bool) -> Folder:
    """A folder as it is now; where it isn't there yet, the nearest one above it decides.

    Args:
        measured: Whether its files are counted.
    """
    existing = next(place for place in (path, *path.parents) if place.is_dir())
    size = sum(_size(file) for file in path.rglob("*")) if measured else None
    return Folder(str(path), size, shutil.disk_usage(existing).free, os.access(existing, os.W_OK | os.X_OK))


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size if path.is_file() and not path.is_symlink() else 0
    except OSError:  # another process has just removed it
        return 0
