"""Defects of the frameworks themselves, which unikeras can't repair: a check reports each by name, and fails when one is gone.

A backend still disagrees where a defect holds, for its results are others. The list is strict, so that it can't outlive the
defects: a layer that is listed and computes what is right fails the check, too.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from unikeras.checking import numpy_layers
from unikeras.checking.comparing import largest
from unikeras.checking.subject import Subject

Config = dict[str, Any]
SEEN = 1e-6  # relative size of a wrong layer's error from which on it can't be taken for rounding


@dataclasses.dataclass(frozen=True)
class Defect:
    """A layer that one backend gets wrong.

    Attributes:
        backend: Where.
        layer: The layer's class.
        config: The part of its configuration with which it goes wrong.
        wrong: What it computes instead, from its configuration and input.
        what: The defect and the way around it, in a sentence.
    """

    backend: str
    layer: str
    config: Config
    wrong: Callable[[Config, np.ndarray], np.ndarray]
    what: str

    def concerns(self, backend: str, layer: dict[str, Any]) -> bool:
        """Whether a backend's layer is such a one."""
        same = all(layer["config"].get(key) == value for key, value in self.config.items())
        return (backend, layer["type"]) == (self.backend, self.layer) and same


DEFECTS = (
    Defect(
        "torch",
        "AveragePooling2D",
        {"padding": "same"},
        numpy_layers.edge_average,
        'Keras 3.15 on torch averages over a repeated edge in AveragePooling2D(padding="same"), where other backends leave the '
        'padding out; padding="valid" is the same everywhere',
    ),
)


def find(subject: Subject) -> list[dict[str, Any]]:
    """Every defect that the model's layers should show on a backend, and whether they do, from the figures of the forward stage.

    Returns:
        For each such layer {"backend", "dtype", "layer", "what", "measured", "holds"}.
    """
    return [_describe(subject, defect, path) for defect, path in _expected(subject)]


def _expected(subject: Subject) -> Iterator[tuple[Defect, str]]:
    """Defects with the layers whose output they change."""
    reference = subject.evidence.load("inference")
    for path, layer in subject.evidence.load_json("layers")["layers"].items():
        given, right = reference.get(f"{path}:input"), reference.get(f"{path}:output")
        for defect in DEFECTS:
            if given is None or right is None or not defect.concerns(subject.backend, layer):
                continue
            if largest(defect.wrong(layer["config"], given) - right) > SEEN * largest(right):
                yield defect, path


def _describe(subject: Subject, defect: Defect, path: str) -> dict[str, Any]:
    figures = [one for one in subject.figures if (one.stage, one.name) == ("forward", f"{path}:output")]
    measured = max((one.error if one.exact is None else one.exact for one in figures), default=0.0)
    return {
        "backend": subject.backend,
        "dtype": subject.dtype,
        "layer": path,
        "what": defect.what,
        "measured": measured,
        "holds": any(one.is_mistake for one in figures),
    }
