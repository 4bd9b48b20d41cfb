"""The formats of exported files: what the parent process has to know of them, without importing any framework."""

from __future__ import annotations

import dataclasses
import importlib
from types import ModuleType

from unikeras import backends, packages
from unikeras.backends import BACKENDS, BackendInfo
from unikeras.errors import SettingsError, nearest

EXTRA = "pip install 'unikeras[export]'"


@dataclasses.dataclass(frozen=True)
class Format:
    """A format of exported files.

    Attributes:
        name: As users write it: `saved-model`.
        suffix: That the file's name must have; "" where it is a folder.
        frameworks: That can write it, the preferred one first.
        needs_keras: Whether it is written from a Keras model, not from a native one.
        writing: Packages of the extra that writing needs.
        running: Packages that running needs: those of the runtime.
        runtime: The backend whose environment the runtime gets; None where no framework is needed.
    """

    name: str
    suffix: str
    frameworks: tuple[str, ...]
    needs_keras: bool
    writing: tuple[str, ...]
    running: tuple[str, ...]
    runtime: str | None

    @property
    def module(self) -> ModuleType:
        """The file that writes and loads it."""
        return importlib.import_module(f"unikeras.exporting.{self.name.replace('-', '_')}")

    @property
    def file_name(self) -> str:
        """What an export is called where nothing else is said."""
        return f"model{self.suffix}" if self.suffix else self.name


FORMATS = {
    one.name: one
    for one in (
        Format("keras", ".keras", ("tensorflow", "torch"), True, (), ("keras",), "tensorflow"),
        Format("onnx", ".onnx", ("torch",), False, ("onnx", "onnxscript"), ("onnxruntime",), None),
        Format("saved-model", "", ("tensorflow",), False, (), ("tensorflow",), "native-tensorflow"),
        Format("torch", ".pt2", ("torch",), False, (), ("torch",), "native-torch"),
        Format("litert", ".tflite", ("tensorflow",), False, (), ("ai_edge_litert",), None),
    )
}
IN_EXTRA = ("onnx", "onnxscript", "onnxruntime", "ai_edge_litert")


def select(name: str) -> Format:
    """The format of that name.

    Raises:
        SettingsError: there is none.
    """
    if name not in FORMATS:
        raise SettingsError(f"Unknown format {name!r}.", cure=nearest(name, FORMATS))
    return FORMATS[name]


def require_packages(names: tuple[str, ...], purpose: str) -> None:
    """Checks, without importing them, that packages are installed.

    Raises:
        BackendError: one is not.
    """
    packages.require(names, purpose, cure=EXTRA if set(packages.missing(names)) <= set(IN_EXTRA) else None)


def writer(chosen: Format, backend: str) -> BackendInfo:
    """Where a run of `backend` is exported: on its own backend if that can, otherwise with Keras on a framework that can.

    Raises:
        BackendError: the framework is not installed.
    """
    own = BACKENDS[backend]
    if own.framework in chosen.frameworks and (own.uses_keras or not chosen.needs_keras) and own.installed:
        return own
    return _on_keras(chosen.frameworks)


def runtime(chosen: Format) -> BackendInfo | None:
    """The backend whose environment the format's runtime gets.

    Raises:
        BackendError: the runtime's packages are not installed.
    """
    require_packages(chosen.running, f"Running a file of format {chosen.name}")
    if chosen.runtime is None or BACKENDS[chosen.runtime].installed:
        return None if chosen.runtime is None else BACKENDS[chosen.runtime]
    return _on_keras(chosen.frameworks)


def _on_keras(frameworks: tuple[str, ...]) -> BackendInfo:
    """Keras on the first of these frameworks that is installed."""
    installed = [name for name in frameworks if BACKENDS[name].installed]
    return backends.select((installed or frameworks)[0])[0]
