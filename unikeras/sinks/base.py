"""The contract of a sink.

A file of this folder has a `KIND`, which describes its option, and a class of `Sink`. It is imported to know its option, so it
imports what it needs only when it is used; and it runs in the parent process, so that must not be a framework.

The source of truth is metrics.jsonl. A sink gets each of its rows once, in order; where rows were removed from the file, for
training went back to a checkpoint, it is told to begin again and gets all rows from the first. One that is `settled` gets rows
only once a checkpoint counts on them: those are not removed again.

A sink may raise anything: it is then left, with a notice, and training goes on.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    import numpy as np

    from unikeras.predictions import Predictions
    from unikeras.run import Run
    from unikeras.settings import Settings

Row = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Kind:
    """A sink as an option.

    Attributes:
        make: Called with the option's value, the run's folder and its settings before training; raises a `UnikerasError` if the
            sink can't be used.
        packages: What it imports; they are the extra `unikeras[NAME]`.
        metavar: Of the option's value; None for a switch.
        help: Of the option.
    """

    make: Callable[[Any, Path, Settings], Sink]
    packages: tuple[str, ...]
    metavar: str | None
    help: str


@dataclasses.dataclass(frozen=True)
class Examples:
    """The test images of a finished run, and what it predicts for them."""

    predictions: Predictions
    images: np.ndarray
    class_names: tuple[str, ...]


class Sink:
    """One place where the figures of one run go."""

    settled: ClassVar[bool] = False

    def begin(self) -> None:
        """Rows come from the first one on: whatever came before is not to count."""
        raise NotImplementedError

    def add(self, rows: list[Row]) -> None:
        """The next rows."""
        raise NotImplementedError

    def finish(self, finished: Run, examples: Callable[[], Examples]) -> None:
        """The run is complete. To ask for the examples may take a worker some seconds."""
        raise NotImplementedError

    def close(self) -> None:
        """No more comes, whether the run is complete or not."""
        raise NotImplementedError


EPOCH = (
    "train_loss", "train_accuracy", "test_loss", "test_accuracy", "learning_rate", "images_per_second",
    "peak_memory_mb",  # not in rows of older runs
)  # fmt: skip


def scalars(row: Row) -> tuple[int, dict[str, float]]:
    """What a row measures: the step or epoch that is its place on the axis, and values by name.

    Rows about something else measure nothing.
    """
    if row["kind"] == "step":
        return row["step"], {f"step/{name}": row[name] for name in ("loss", "accuracy", "learning_rate")}
    if row["kind"] == "epoch":
        return row["epoch"], {f"epoch/{name}": row[name] for name in EPOCH if name in row}
    return 0, {}


FINAL = ("test_accuracy", "test_loss", "train_loss", "images_per_second", "train_seconds")


def final_scalars(finished: Run) -> tuple[int, dict[str, float]]:
    """What result.json says of a complete run, in the same form."""
    return finished.result["epochs"], {f"final/{name}": finished.result[name] for name in FINAL}


def hyper_parameters(settings: Settings) -> dict[str, Any]:
    """The settings that are given, but for the places of files."""
    places = ("output", "data_dir", "cache_dir")
    return {name: value for name, value in settings.to_dict().items() if value is not None and name not in places}
