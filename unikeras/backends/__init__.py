"""Backends: ways to run a model. Each is one file in this folder and joins by being here; `base.py` is the contract.

The file's name says everything that the parent process has to know, so that it never imports one: `torch.py` is Keras on torch,
`native_torch.py` is torch alone, without Keras. Files that start with an underscore are what siblings share.
"""

from __future__ import annotations

import dataclasses
import importlib
from pathlib import Path
from typing import TYPE_CHECKING

from unikeras import packages
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
        return packages.missing(self.packages)

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


def keras_on(framework: str) -> BackendInfo:
    """The backend that is Keras on a framework."""
    return next(info for info in BACKENDS.values() if info.uses_keras and info.framework == framework)


def _find(name: str) -> BackendInfo:
    if name not in BACKENDS:
        raise BackendError(f"Unknown backend {name!r}.", cure=nearest(name, [*BACKENDS, "all"]))
    info = BACKENDS[name]
    packages.require(info.packages, f"Backend {name!r}")
    return info


def load(name: str) -> type[Backend]:
    """The class of a backend; imports its framework, so only a worker may call it."""
    with packages.hidden("sklearn"):  # Keras imports it for wrappers that no model has inside: a quarter of a worker's start
        module = importlib.import_module(f"unikeras.backends.{name.replace('-', '_')}")
    backend: type[Backend] = module.Backend
    return backend
