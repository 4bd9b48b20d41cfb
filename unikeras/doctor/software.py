"""What is installed, found without importing it, and the settings around it that a person may have forgotten."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import importlib.util
import json
import os
import platform
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unikeras import provenance

PACKAGES = (*provenance.PACKAGES, "scipy", "tensorflow-datasets")
IMPORTED = ("keras", "tensorflow", "torch", "numpy")  # by a worker, before it does anything
TWINS = {  # packages that write the same files as another one
    "keras-nightly": "keras",
    "tensorflow-cpu": "tensorflow",
    "tensorflow-intel": "tensorflow",
    "tf-nightly": "tensorflow",
}
_MINIMUM = re.compile(r"([A-Za-z0-9._-]+)>=([0-9.]+)")


@dataclasses.dataclass(frozen=True)
class Software:
    """Attributes:
    versions: Installed versions by package, None if it is missing; Python's own, too.
    minimums: The oldest versions that unikeras accepts.
    twins: Packages that share files, both of which are installed: (twin, package).
    strangers: What is imported by a package's name, though it does not belong to the installed package.
    keras_config: Keras' own configuration file, where there is one.
    keras_values: What it says.
    cuda_build: Whether torch is a build for NVIDIA's GPUs; None if it isn't installed.
    """

    versions: dict[str, str | None]
    minimums: dict[str, str]
    twins: tuple[tuple[str, str], ...]
    strangers: dict[str, str]
    keras_config: str | None
    keras_values: dict[str, Any]
    cuda_build: bool | None


def look(environment: Mapping[str, str] = os.environ) -> Software:
    """What is installed for the Python that runs this."""
    path, values = _keras_config(environment)
    return Software(
        versions={"python": platform.python_version(), **{name: provenance.version(name) for name in PACKAGES}},
        minimums=_minimums(),
        twins=tuple((twin, name) for twin, name in TWINS.items() if provenance.version(twin) and provenance.version(name)),
        strangers={name: place for name in IMPORTED if (place := _stranger(name)) is not None},
        keras_config=path,
        keras_values=values,
        cuda_build=_is_cuda_build(),
    )


def _minimums() -> dict[str, str]:
    try:
        requirements = importlib.metadata.requires("unikeras") or []
    except importlib.metadata.PackageNotFoundError:  # it runs from a folder
        return {}
    found = [_MINIMUM.match(requirement) for requirement in requirements if "extra ==" not in requirement]
    return {match[1]: match[2] for match in found if match}


def is_older(version: str, minimum: str) -> bool:
    """Whether a version comes before another, by their leading numbers."""
    return _numbers(version) < _numbers(minimum)


def _numbers(version: str) -> list[int]:
    found = re.match(r"[0-9.]*[0-9]", version)
    return [int(part) for part in found[0].split(".") if part] if found else []


def _stranger(package: str) -> str | None:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return None
    origin = Path(spec.origin).resolve()
    try:
        own = Path(str(importlib.metadata.distribution(package).locate_file(f"{package}/__init__.py")))
    except importlib.metadata.PackageNotFoundError:
        return str(origin)
    return str(origin) if own.is_file() and own.resolve() != origin else None  # an editable installation has no such file


def _keras_config(environment: Mapping[str, str]) -> tuple[str | None, dict[str, Any]]:
    folder = environment.get("KERAS_HOME")
    path = (Path(folder) if folder else Path("~/.keras")).expanduser() / "keras.json"
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None, {}
    return (str(path), content) if isinstance(content, dict) else (None, {})


def _is_cuda_build() -> bool | None:
    version = provenance.version("torch")
    if version is None:
        return None
    needs = importlib.metadata.requires("torch") or []
    return "+cu" in version or ("+" not in version and any(need.startswith(("nvidia-", "cuda-")) for need in needs))
