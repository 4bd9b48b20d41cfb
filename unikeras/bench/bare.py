"""A backend's step alone: see `own.Bare`."""

from __future__ import annotations

from unikeras import backends
from unikeras.bench.contender import Contender
from unikeras.bench.own import Bare


def load(backend: str) -> type[Contender]:
    """The contender of a backend, whose framework is imported here."""
    backends.load(backend)
    return Bare
