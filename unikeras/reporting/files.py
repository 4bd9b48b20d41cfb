"""Writing a report to a file that a person named."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from unikeras.errors import SettingsError

if TYPE_CHECKING:
    from unikeras.checking.result import CheckResult


def require_writable(path: Path) -> Path:
    """The file of a report, before a minute is spent on making it.

    Raises:
        SettingsError: its folder is missing or can't be written.
    """
    if path.is_dir():
        raise _unwritable(path, "it is a folder")
    if not os.access(path.parent, os.W_OK):
        raise _unwritable(path, "its folder is missing or can't be written")
    return path


def write_check(result: CheckResult, path: Path) -> None:
    """Writes everything about a check into one page.

    Raises:
        SettingsError: the file can't be written.
    """
    from unikeras.reporting import check as page

    try:
        path.write_text(page.render(result.to_dict()), encoding="utf-8")
    except OSError as error:
        raise _unwritable(path, error.strerror) from None


def _unwritable(path: Path, reason: str | None) -> SettingsError:
    return SettingsError(f"--report can't be written to {path}: {reason}.", cure="Choose another file.")
