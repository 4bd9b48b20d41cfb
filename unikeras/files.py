"""Writing files so that a reader sees the whole content or none of it, even after a power cut; and the hash of one."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from unikeras.faults import reach


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a file that is whole or not there; one that was there before stays until then."""
    partial = path.with_name(path.name + ".partial")
    write_through(partial, content)
    partial.replace(path)
    sync_folder(path.parent)


def write_through(path: Path, content: bytes) -> None:
    """Writes a file and waits until the disk has it; an interruption leaves a part."""
    reach("file.begin")
    middle = len(content) // 2
    with path.open("wb") as file:
        for part, point in ((memoryview(content)[:middle], "file.half"), (memoryview(content)[middle:], "file.written")):
            file.write(part)
            file.flush()
            reach(point)
        os.fsync(file.fileno())
    reach("file.synced")


def sha256(path: Path) -> str:
    """Hash of a file's content, which needn't fit into memory."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync_folder(folder: Path) -> None:
    """Waits until the disk has the folder's list of names: a new or changed name is lost in a power cut otherwise."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
