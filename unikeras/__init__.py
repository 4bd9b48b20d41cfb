"""unikeras: write a model once in Keras 3, train it on any backend, prove that the backends agree.

Importing it imports no framework; each training runs in a process of its own.

(PYTEST_DONT_REWRITE, because pytest would warn that this is imported already when it starts in a backend's process.)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unikeras.api import Run, check, compare, evaluate, export, load_run, predict, report, resume, train, tune
    from unikeras.checking.result import CheckResult
    from unikeras.errors import (
        BackendError,
        DataError,
        ExportedFileError,
        ExportError,
        ModelError,
        RunError,
        SettingsError,
        UnikerasError,
        WorkerError,
    )
    from unikeras.tune_result import TuneResult

__version__ = "0.1.0"

_HOMES = {
    "unikeras.api": ("Run", "check", "compare", "evaluate", "load_run", "predict", "resume", "train", "export", "tune", "report"),
    "unikeras.checking.result": ("CheckResult",),
    "unikeras.errors": (
        "BackendError",
        "DataError",
        "ExportedFileError",
        "ExportError",
        "ModelError",
        "RunError",
        "SettingsError",
        "UnikerasError",
        "WorkerError",
    ),
    "unikeras.tune_result": ("TuneResult",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "BackendError",
    "CheckResult",
    "DataError",
    "ExportedFileError",
    "ExportError",
    "ModelError",
    "Run",
    "RunError",
    "SettingsError",
    "TuneResult",
    "UnikerasError",
    "WorkerError",
    "check",
    "compare",
    "evaluate",
    "export",
    "load_run",
    "predict",
    "report",
    "resume",
    "train",
    "tune",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'unikeras' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
