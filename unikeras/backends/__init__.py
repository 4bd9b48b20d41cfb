"""Backends: ways to run a model. Each is one file in this folder and joins by being here; `base.py` is the contract.

The file's name says everything that the parent process has to know, so that it never imports one: `torch.py` is Keras on torch,
`native_torch.py` is torch alone, without Keras. Files that start with an underscore are what siblings share.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from unikeras.errors import BackendError, nearest

if TYPE_CHECKING:
    from unikeras.backends.base import Backend


@dataclasses.dataclass(frozen=True)
class BackendInfo:
    """What is known of a backend without importing it.

    Attributes:
        name: As users write it: `native-torch`.
        framework: The package that does the arithmetic: `torch`.
        uses_keras: Whether the model is built by Keras, or by the framework alone.
    """

    name: str
    framework: str
    uses_keras: bool

    @property
    def installed(self) -> bool:
        return not self.missing

    @property
    def missing(self) -> list[str]:
        """Packages that it needs and that are not installed here."""
        return [package for package in self.packages if not importlib.util.find_spec(package)]

    @property
    def cure(self) -> str:
        """What installs them."""
        return f"pip install {' '.join(self.missing)}"

    @property
    def packages(self) -> tuple[str, ...]:
        return (self.framework, "keras") if self.uses_keras else (self.framework,)


def _discover() -> dict[str, BackendInfo]:
    stems = sorted(path.stem for path in Path(__file__).parent.glob("[!_]*.py") if path.stem != "base")
    infos = [BackendInfo(stem.replace("_", "-"), stem.removeprefix("native_"), not stem.startswith("native_")) for stem in stems]
    return {info.name: info for info in sorted(infos, key=lambda info: (not info.uses_keras, info.name))}


BACKENDS = _discover()


def select(names: str) -> list[BackendInfo]:
    """The backends that a comma-separated list of names means; `all` means every installed one.

    Raises:
        BackendError: a name is unknown or given twice, or its framework is not installed.
    """
    if names == "all":
        return [info for info in BACKENDS.values() if info.installed]
    chosen = [_find(name.strip()) for name in names.split(",")]
    if len({info.name for info in chosen}) < len(chosen):
        raise BackendError(f"A backend is named twice in {names!r}.", cure="Name each once.")
    return chosen


def _find(name: str) -> BackendInfo:
    if name not in BACKENDS:
        raise BackendError(f"Unknown backend {name!r}.", cure=nearest(name, [*BACKENDS, "all"]))
    info = BACKENDS[name]
    if not info.installed:
        raise BackendError(f"Backend {name!r} needs {' and '.join(info.missing)}, which is not installed here.", cure=info.cure)
    return info


def load(name: str) -> type[Backend]:
    """The class of a backend; imports its framework, so only a worker may call it."""
    with _without("sklearn"):
        module = importlib.import_module(f"unikeras.backends.{name.replace('-', '_')}")
    backend: type[Backend] = module.Backend
    return backend


@contextlib.contextmanager
def _without(package: str) -> Iterator[None]:
    """While it lasts, a package that is not imported yet seems not to be installed.

    Keras imports scikit-learn where there is one, for wrappers that no model has inside; that is a quarter of a worker's start.
    """
    hidden = package not in sys.modules
    if hidden:
        sys.modules[package] = None  # type: ignore[assignment]  # what Python's import system asks for
    try:
        yield
    finally:
        if hidden:
            del sys.modules[package]
