"""The backend under test, as the stages see it."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np

from unikeras import factory
from unikeras.backends.base import Backend
from unikeras.checking.evidence import Evidence
from unikeras.checking.figures import ROUNDOFF, Figure


@dataclasses.dataclass
class Subject:
    """One backend in one dtype, and what has been measured of it so far.

    Attributes:
        figures: One for every comparison made.
    """

    evidence: Evidence
    backend: str
    dtype: str
    figures: list[Figure] = dataclasses.field(default_factory=list)

    @functools.cached_property
    def model(self) -> Backend:
        """The checked model with the checked settings."""
        return self.make_model()

    def make_model(self, dropout: bool = False, **changes: Any) -> Backend:
        """A model with changed settings; without dropout, so that training is deterministic."""
        model = factory.make_backend(self.evidence.with_changes(dtype=self.dtype, **changes), self.backend, self.evidence.inputs)
        if not dropout:
            model.disable_dropout()
        return model

    def add(self, *figures: Figure) -> None:
        """Notes down comparisons."""
        self.figures += figures

    @property
    def roundoff(self) -> float:
        """Unit roundoff of its arithmetic."""
        return ROUNDOFF[self.dtype]

    @property
    def value_type(self) -> np.dtype[Any]:
        """Type of weights and slots."""
        return np.dtype("float64" if self.dtype == "float64" else "float32")
