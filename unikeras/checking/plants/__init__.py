"""Planted faults: `unikeras check --plant NAME` puts one mistake into one backend, to show that the check finds and names it.

A plant is a function that changes something in the worker's process before a model is built: a constant of an optimiser, a layer,
a step, the training loop. Plants import their framework when they are applied, so that the parent process can read the list.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable

from unikeras import backends
from unikeras.errors import SettingsError, nearest

FILES = (
    "adam", "rmsprop", "momentum", "decay", "updates",
    "layers", "normalization", "activations", "modes", "precision", "gradients",
    "losses", "loops", "weights", "slots", "structure",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Plant:
    """A fault and what the check has to say about it, on the bundled model `probe`.

    Attributes:
        name: As users write it: `adam-epsilon-1e-8`.
        what: The mistake in a sentence.
        backend: The backend that gets it.
        stage: Where the check has to find it first.
        layer: The layer it has to name; None where the fault belongs to none.
        looks_like: Words that the diagnosis has to contain; None where no diagnosis is possible.
        apply: Plants it.
        optimizer: Update rule to check with.
        dtype: Arithmetic in which it shows.
    """

    name: str
    what: str
    backend: str
    stage: str
    layer: str | None
    looks_like: str | None
    apply: Callable[[], None]
    optimizer: str = "adam"
    dtype: str = "float32"


PLANTS: dict[str, Plant] = {}


def plant(
    name: str,
    what: str,
    *,
    backend: str,
    stage: str,
    layer: str | None = None,
    looks_like: str | None = None,
    optimizer: str = "adam",
    dtype: str = "float32",
) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Registers the decorated function as a plant."""

    def register(apply: Callable[[], None]) -> Callable[[], None]:
        def load_and_apply() -> None:
            backends.load(backend)  # has to be the first to import its framework
            apply()

        PLANTS[name] = Plant(name, what, backend, stage, layer, looks_like, load_and_apply, optimizer, dtype)
        return apply

    return register


def find(name: str) -> Plant:
    """The plant of a name.

    Raises:
        SettingsError: there is none.
    """
    if name not in PLANTS:
        raise SettingsError(f"--plant can't be {name!r}.", cure=nearest(name, PLANTS))
    return PLANTS[name]


for _file in FILES:
    importlib.import_module(f"{__name__}.{_file}")
