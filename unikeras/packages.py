"""Packages: whether they are installed, asked without importing them; and keeping them away from imports that can do without."""

from __future__ import annotations

import contextlib
import importlib.util
import sys
from collections.abc import Iterable, Iterator

from unikeras.errors import BackendError


def missing(names: Iterable[str]) -> list[str]:
    """Those that are not installed here."""
    return [name for name in names if not importlib.util.find_spec(name)]


def require(names: Iterable[str], purpose: str, cure: str | None = None) -> None:
    """Says what is missing before any work.

    Args:
        purpose: What needs them, as the message's beginning.
        cure: What installs them; `pip install` of the packages themselves if not given.

    Raises:
        BackendError: one is not installed.
    """
    absent = missing(names)
    if absent:
        verb = "are" if len(absent) > 1 else "is"
        raise BackendError(
            f"{purpose} needs {' and '.join(absent)}, which {verb} not installed here.",
            cure=cure or f"pip install {' '.join(absent)}",
        )


@contextlib.contextmanager
def hidden(*names: str) -> Iterator[None]:
    """While it lasts, packages that are not imported yet seem not to be installed: what would import them goes without."""
    away = [name for name in names if name not in sys.modules]
    for name in away:
        sys.modules[name] = None  # type: ignore[assignment]  # what makes Python's import system refuse a name
    try:
        yield
    finally:
        for name in away:
            del sys.modules[name]
