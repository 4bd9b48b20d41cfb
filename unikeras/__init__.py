"""unikeras: write a model once in Keras 3, train it on any backend, prove that the backends agree.

Importing it imports no framework; each training runs in a process of its own.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unikeras.api import Run, evaluate, load_run, predict, resume, train
    from unikeras.errors import (
        BackendError,
        DataError,
        ModelError,
        RunError,
        SettingsError,
        UnikerasError,
        WorkerError,
    )

__version__ = "0.1.0"

_HOMES = {
    "unikeras.api": ("Run", "evaluate", "load_run", "predict", "resume", "train"),
    "unikeras.errors": (
        "BackendError",
        "DataError",
        "ModelError",
        "RunError",
        "SettingsError",
        "UnikerasError",
        "WorkerError",
    ),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "BackendError",
    "DataError",
    "ModelError",
    "Run",
    "RunError",
    "SettingsError",
    "UnikerasError",
    "WorkerError",
    "evaluate",
    "load_run",
    "predict",
    "resume",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'unikeras' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
