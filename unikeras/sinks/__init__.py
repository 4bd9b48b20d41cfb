"""Sinks: where a run's figures go besides its folder. Each is one file here and joins by being here; `base.py` is the contract.

The file's name is the option of `unikeras train` and `resume`, and the argument of `unikeras.train` and `unikeras.resume`. Files
that start with an underscore are what siblings share.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unikeras import packages
from unikeras.settings import Settings
from unikeras.sinks.base import Kind, Sink


def _discover() -> dict[str, Kind]:
    stems = sorted(path.stem for path in Path(__file__).parent.glob("[!_]*.py") if path.stem != "base")
    return {stem: importlib.import_module(f"unikeras.sinks.{stem}").KIND for stem in stems}


KINDS = _discover()


@dataclasses.dataclass(frozen=True)
class Wanted:
    """A sink that the person asked for; `value` is that of its option."""

    name: str
    value: Any

    def open(self, folder: Path, settings: Settings) -> Sink:
        """The sink, for the run in a folder.

        Raises:
            UnikerasError: it can't be used.
        """
        return KINDS[self.name].make(self.value, folder, settings)


def choose(options: Mapping[str, Any]) -> tuple[list[Wanted], dict[str, Any]]:
    """The sinks that are among the options of a training, and the other options.

    Raises:
        BackendError: what a sink needs is not installed.
    """
    wanted = [Wanted(name, value) for name, value in options.items() if name in KINDS and value not in (None, False)]
    for sink in wanted:
        packages.require(KINDS[sink.name].packages, f"--{sink.name}", cure=f"pip install 'unikeras[{sink.name}]'")
    return wanted, {name: value for name, value in options.items() if name not in KINDS}
