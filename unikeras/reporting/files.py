"""Writing a report to a file that a person named."""

from __future__ import annotations

import os
from pathlib import Path

from unikeras.errors import SettingsError


def require_writable(path: Path, option: str = "--report") -> Path:
    """The file of a report, before a minute is spent on making it.

    Raises:
        SettingsError: its folder is missing or can't be written.
    """
    if path.is_dir():
        raise _unwritable(path, option, "it is a folder")
    if not os.access(path.parent, os.W_OK):
        raise _unwritable(path, option, "its folder is missing or can't be written")
    return path


def write(page: str, path: Path, option: str = "--report") -> None:
    """Writes a page.

    Raises:
        SettingsError: the file can't be written.
    """
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise _unwritable(path, option, error.strerror) from None


def _unwritable(path: Path, option: str, reason: str | None) -> SettingsError:
    return SettingsError(f"{option} can't be written to {path}: {reason}.", cure="Choose another file.")
