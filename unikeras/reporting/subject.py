"""A run as its report sees it: what its folder says, what it predicts, and its pictures, as far as they are there."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unikeras import shapes
from unikeras.errors import RunError
from unikeras.run import DAMAGED

if TYPE_CHECKING:
    from unikeras.data.dataset import Dataset
    from unikeras.predictions import Predictions
    from unikeras.run import Run

LEARNING = ("train_loss", "train_accuracy", "test_loss", "test_accuracy")
MACHINE = ("learning_rate", "train_seconds", "test_seconds", "images_per_second")
ROW_SHAPES = {
    "step": {"epoch": int, "step": int, **dict.fromkeys(("learning_rate", "loss", "accuracy"), float)},
    "epoch": {"epoch": int, "step": int, **dict.fromkeys((*LEARNING, *MACHINE), float)},
}
LEFT_OUT = ("output", "cache_dir")  # places, which say nothing about what was trained


@dataclasses.dataclass(frozen=True)
class Subject:
    """One run.

    Attributes:
        name: Tells it from the others of the report.
        run: Its folder; `result` and `metrics` are to be read from here, for they may be missing there.
        state: "finished", "running", "resumable" or "crashed".
        result: None if it did not finish.
        provenance: {} if it did not come so far.
        rows: Of metrics.jsonl.
        predictions: For the test images; None if there are none, and `no_predictions` says why.
        dataset: None if its pictures can't be shown, and `no_pictures` says why.
    """

    name: str
    run: Run
    state: str
    result: dict[str, Any] | None
    provenance: dict[str, Any]
    rows: list[dict[str, Any]]
    predictions: Predictions | None = None
    dataset: Dataset | None = None
    no_predictions: str = ""
    no_pictures: str = ""

    @property
    def class_names(self) -> list[str]:
        """In the order of the labels."""
        names: list[str] = self.provenance["inputs"]["class_names"]
        return names

    @property
    def settings(self) -> dict[str, Any]:
        """What was trained, as JSON values."""
        return {name: value for name, value in self.run.settings.to_dict().items() if name not in LEFT_OUT}

    def rows_of(self, kind: str) -> list[dict[str, Any]]:
        """Rows of one kind ("step" or "epoch"); what is no finite number in them is None."""
        rows = [{"peak_memory_mb": None, **row} for row in self.rows if row["kind"] == kind]  # the first versions wrote no memory
        return [{key: finite(value) for key, value in row.items()} for row in rows]


def require_rows(rows: list[dict[str, Any]], path: Path) -> None:
    """Checks that rows have what a report shows of them.

    Raises:
        RunError: one has not.
    """
    for number, row in enumerate(rows, start=1):
        fault = shapes.fault(row, ROW_SHAPES.get(row["kind"], {}))
        if fault:
            raise RunError(f"Line {number} of {path} is damaged: {fault}.", cure=DAMAGED)


def finite(value: Any) -> Any:
    """The value, or None for numbers that JSON and charts don't have."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def name_runs(runs: Sequence[Run]) -> list[str]:
    """A name for each: its backend, where the runs differ in nothing else; otherwise the part of its path that is its own."""
    settings = [{**run.settings.to_dict(), "output": None} for run in runs]
    backends = [one.pop("backend") for one in settings]
    if len(set(backends)) == len(runs) and all(one == settings[0] for one in settings):
        return backends
    return shortest_tails([run.path for run in runs])


def shortest_tails(paths: Sequence[Path]) -> list[str]:
    """Equally many last parts of each path, as few as make them differ."""
    parts = [path.resolve().parts for path in paths]
    for count in range(1, max(map(len, parts)) + 1):
        tails = ["/".join(one[-count:]) for one in parts]
        if len(set(tails)) == len(tails):
            return tails
    return [str(path) for path in paths]
