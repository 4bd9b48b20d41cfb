"""Who races: a process, in which environment, and that all train the same."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from unikeras import backends
from unikeras.backends import BackendInfo
from unikeras.errors import WorkerError
from unikeras.events import Job
from unikeras.launcher import TUNING, child_environment
from unikeras.settings import Settings

TOLERANCES = {"float32": 1e-3, "float64": 1e-9, "mixed_bfloat16": 5e-2}  # of the first losses, relative


@dataclasses.dataclass(frozen=True)
class Contestant:
    """One process of a race.

    Attributes:
        name: For people.
        module: In `unikeras.bench`.
        backend: Whose model file it trains, in whose environment.
        is_stock: Whether it runs as a plain script would, without the environment that unikeras gives its workers.
        dtype: In which it computes; None for that of the race.
    """

    name: str
    module: str
    backend: str
    is_stock: bool = False
    dtype: Literal["float32"] | None = None

    @property
    def info(self) -> BackendInfo:
        return backends.BACKENDS[self.backend]

    def job(self, kind: str, settings: Settings, dataset: Path, folder: Path, **more: Any) -> Job:
        """What its process has to do, to be sent at once: its clock runs from now on."""
        arguments = {
            "module": self.module,
            "settings": dataclasses.replace(settings, backend=self.backend, dtype=self.dtype or settings.dtype).to_dict(),
            "dataset": str(dataset),
            "folder": str(folder),
            "launched_at": time.monotonic(),
        }
        return Job(kind, {**arguments, **more})

    def environment(self, threads: int | None) -> dict[str, str]:
        """That of its process."""
        environment = child_environment(self.info, threads)
        if not self.is_stock:
            return environment
        return {name: value for name, value in environment.items() if name not in TUNING or name in os.environ}


Started = tuple[str, Sequence[float]]  # a contestant's name and the losses of its first steps


def require_equal_losses(first: Started, other: Started, dtype: str) -> None:
    """Those who don't compute the same can't be compared.

    Raises:
        WorkerError: the losses of one are not those of the other.
    """
    for step, (right, received) in enumerate(zip(first[1], other[1], strict=True), start=1):
        if not abs(received - right) <= TOLERANCES[dtype] * abs(right):
            raise WorkerError(
                f"{other[0]} trains something else than {first[0]}: at step {step} its loss is {received:.6g} instead of "
                f"{right:.6g}.",
                cure="`unikeras check` tells where backends part. Models with dropout can't race: their masks differ.",
            )
