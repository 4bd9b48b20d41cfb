"""Every error that unikeras raises on purpose: one tree.

Each class has the exit code of the command line; each message says what was wrong and the value received, and its `cure` says
what is allowed or what to do next. Exit code 2 means that the input was wrong, 1 that the work itself failed.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any


class UnikerasError(Exception):
    """Base of the tree.

    Args:
        message: What was wrong, with the value received.
        cure: What is allowed, or the next step.
        details: Longer evidence, such as a traceback or the end of a log, that is shown only on request.
    """

    exit_code = 1

    def __init__(self, message: str, *, cure: str = "", details: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.cure = cure
        self.details = details

    def __str__(self) -> str:
        return f"{self.message}\n{self.cure}" if self.cure else self.message

    def to_dict(self) -> dict[str, Any]:
        """The error as JSON values, to cross the process boundary."""
        return {"type": type(self).__name__, "message": self.message, "cure": self.cure, "details": self.details}

    @staticmethod
    def from_dict(fields: dict[str, Any]) -> UnikerasError:
        """The error that `to_dict` described; a type that is not of this tree becomes a `WorkerError`."""
        known = {cls.__name__: cls for cls in _family(UnikerasError)}
        cls = known.get(fields["type"], WorkerError)
        return cls(fields["message"], cure=fields["cure"], details=fields["details"])


class SettingsError(UnikerasError):
    """An option, a configuration key or an environment variable is unknown or has a value that is not allowed."""

    exit_code = 2


class BackendError(UnikerasError):
    """A backend is unknown, or a package that it or an option needs is not installed."""

    exit_code = 2


class ModelError(UnikerasError):
    """A model file is missing, broken, or doesn't fit the data or its siblings."""

    exit_code = 2


class DataError(UnikerasError):
    """A dataset is unknown, missing, damaged or of a shape that can't be used."""

    exit_code = 2


class RunError(UnikerasError):
    """A run folder is missing, incomplete, or already in use."""

    exit_code = 2


class ExportError(UnikerasError):
    """An exporter failed, or an exported file does not compute what its run does."""


class ExportedFileError(UnikerasError):
    """An exported file, or the sidecar beside it, is missing, damaged or something else."""

    exit_code = 2


class WorkerError(UnikerasError):
    """A worker process failed or died."""


class WorkerDiedError(WorkerError):
    """A worker process ended, or had to be ended, without having said why."""


class InterruptedRunError(UnikerasError):
    """The person at the command line pressed Ctrl-C. In Python it stays a KeyboardInterrupt."""

    exit_code = 130


class TerminatedRunError(UnikerasError):
    """The command line received SIGTERM."""

    exit_code = 143


def _family(cls: type[UnikerasError]) -> Iterable[type[UnikerasError]]:
    yield cls
    for child in cls.__subclasses__():
        yield from _family(child)


def nearest(received: str, allowed: Iterable[str]) -> str:
    """The cure for an unknown name: the nearest allowed names, then all of them."""
    allowed = list(allowed)
    close = difflib.get_close_matches(received, allowed, n=3, cutoff=0.6)
    hint = f"Did you mean {' or '.join(close)}? " if close else ""
    return f"{hint}Allowed: {', '.join(allowed)}."
