"""metrics.jsonl: rows are appended; after an interruption the file is cut back to where a checkpoint knows it to be."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from unikeras.faults import reach


class MetricsFile:
    """The open file.

    A position in it is {"bytes": its length, "sha256": the hash of those bytes}, so that a checkpoint can tell whether the rows
    that it counts on are still there. The hash grows with the rows: to hash the file at every checkpoint would cost ever more.
    """

    def __init__(self, path: Path) -> None:
        path.touch()
        self.path = path
        self.file = path.open("r+b")
        self.length, self.hash = 0, hashlib.sha256()

    def append(self, row: dict[str, Any]) -> None:
        """Writes a row."""
        line = (json.dumps(row) + "\n").encode()
        middle = len(line) // 2
        self.file.write(line[:middle])
        self.file.flush()
        reach("row")
        self.file.write(line[middle:])
        self.file.flush()
        self.hash.update(line)
        self.length += len(line)

    def position(self) -> dict[str, Any]:
        """Where the file ends now, once the disk has all of it."""
        os.fsync(self.file.fileno())
        return {"bytes": self.length, "sha256": self.hash.hexdigest()}

    def cut(self, position: dict[str, Any]) -> None:
        """Removes what was written after `position`; `mismatch` must have found nothing wrong with it."""
        self.file.seek(0)
        self.hash = hashlib.sha256(self.file.read(position["bytes"]))
        self.length = position["bytes"]
        self.file.truncate(self.length)
        self.file.seek(self.length)
        os.fsync(self.file.fileno())

    def close(self) -> None:
        """Ends the file, once the disk has all of it."""
        os.fsync(self.file.fileno())
        self.file.close()


START = {"bytes": 0, "sha256": hashlib.sha256().hexdigest()}  # of an empty file


def mismatch(path: Path, position: dict[str, Any]) -> str | None:
    """What keeps a checkpoint from going on at `position` of the file, in words; None if nothing does."""
    with path.open("rb") as file:
        content = file.read(position["bytes"])
    if len(content) < position["bytes"]:
        return f"{path.name} has {len(content)} of the {position['bytes']} bytes that were written before it"
    if hashlib.sha256(content).hexdigest() != position["sha256"]:
        return f"the rows in {path.name} that were written before it have been changed"
    return None
