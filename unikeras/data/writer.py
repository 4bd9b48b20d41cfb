"""Turns the samples that a source streams into an entry: arrays, statistics and, last, the manifest.

What must hold for every dataset is checked here and nowhere else: labels in range, finite values, both splits complete.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from unikeras.data import cache
from unikeras.data.array_file import ArrayFile, cannot_write
from unikeras.data.statistics import Moments, moments_for
from unikeras.errors import DataError
from unikeras.events import Emit, Notice, Preparing

_BUFFER_BYTES = 1 << 20
_SECONDS_BETWEEN_EVENTS = 0.1


class Writer:
    """What a source writes to.

    Attributes:
        folder: Where the entry grows; a source may keep temporary files there if it removes them.
        train: The training split, after `start`.
        test: The test split, after `start`.

    Args:
        folder: An empty folder.
        name: The dataset's name, for messages and the manifest.
        emit: Takes the events.
    """

    train: SplitWriter
    test: SplitWriter

    def __init__(self, folder: Path, name: str, emit: Emit) -> None:
        self.folder, self._name, self._emit = folder, name, emit
        self._total = self._done = 0
        self._last_event = -math.inf
        self._class_names: list[str] = []
        self._splits: list[SplitWriter] = []

    def start(self, *, class_names: Sequence[str], shape: Sequence[int], dtype: npt.DTypeLike, train: int, test: int) -> None:
        """Say what comes.

        Args:
            class_names: At least two; label i means `class_names[i]`.
            shape: Of one sample, no axis empty.
            dtype: Of its elements: integers or floats of up to 64 bits.
            train: Number of training samples, at least one.
            test: Number of test samples, at least one.

        Raises:
            DataError: One of these doesn't hold.
        """
        shape, dtype = tuple(map(int, shape)), np.dtype(dtype).newbyteorder("=")
        _check(self._name, class_names, shape, dtype, train, test)
        self._class_names = list(class_names)
        moments = moments_for(dtype, shape[-1])
        self.train = SplitWriter(self, "train", train, shape, dtype, len(class_names), moments)
        self.test = SplitWriter(self, "test", test, shape, dtype, len(class_names), None)
        self._splits = [self.train, self.test]
        self._total = train + test
        self.advance(0)

    def note(self, text: str) -> None:
        """Tell the person something about this dataset."""
        self._emit(Notice(f"{self._name}: {text}"))

    def advance(self, count: int) -> None:
        """`count` more samples are on the disk."""
        self._done += count
        now = time.monotonic()
        if self._done == self._total or now - self._last_event >= _SECONDS_BETWEEN_EVENTS:
            self._last_event = now
            self._emit(Preparing(self._name, self._done, self._total))

    def finish(self, identity: dict[str, Any]) -> None:
        """Complete the entry: the arrays first, then the manifest.

        Raises:
            DataError: Samples are missing, or the disk is full.
        """
        splits = {split.name: split.finish() for split in self._splits}
        manifest = {
            "format": cache.FORMAT,
            "name": self._name,
            "identity": identity,
            "class_names": self._class_names,
            "splits": splits,
            "statistics": self.train.statistics(),
        }
        text = json.dumps(cache.seal(manifest), indent=1, allow_nan=False)
        try:
            with (self.folder / cache.MANIFEST).open("w") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise cannot_write(self.folder, error) from error

    def close(self) -> None:
        """Close every file, finished or not."""
        for split in self._splits:
            split.close()


class SplitWriter:
    """One split; samples are gathered into pieces of about a MiB before they are checked, counted and written."""

    def __init__(
        self,
        writer: Writer,
        name: str,
        count: int,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        classes: int,
        moments: Moments | None,
    ) -> None:
        self.name = name
        self.rows = max(1, min(count, _BUFFER_BYTES // (math.prod(shape) * dtype.itemsize)))
        """Samples in a piece: a good number to append at once."""
        self._writer, self._count, self._moments = writer, count, moments
        self._class_counts = np.zeros(classes, np.int64)
        self._x, self._y = np.empty((self.rows, *shape), dtype), np.empty(self.rows, np.int64)
        self._filled = self._done = 0
        self._x_file = ArrayFile(writer.folder / f"x_{name}.npy", (count, *shape), dtype)
        self._y_file = ArrayFile(writer.folder / f"y_{name}.npy", (count,), np.int64)

    def append(self, x: npt.NDArray[Any], y: npt.NDArray[Any] | Sequence[int]) -> None:
        """Take samples in.

        Args:
            x: [n, *shape], any n.
            y: [n] integer labels.

        Raises:
            DataError: A label is out of range, a value is not finite, or there are more samples than announced.
        """
        labels = np.asarray(y)
        if x.shape[1:] != self._x.shape[1:] or self._done + self._filled + len(x) > self._count:
            raise self._unexpected(f"a sample of shape {x.shape[1:]} came after {self._done + self._filled} others")
        start = 0
        while start < len(x):
            take = min(self.rows - self._filled, len(x) - start)
            here, there = slice(self._filled, self._filled + take), slice(start, start + take)
            self._x[here], self._y[here] = x[there], labels[there]
            self._filled, start = self._filled + take, start + take
            if self._filled == self.rows:
                self._flush()

    def finish(self) -> dict[str, Any]:
        """The split as the manifest describes it."""
        self._flush()
        if self._done != self._count:
            raise self._unexpected(f"only {self._done} came")
        return {"x": self._x_file.finish(), "y": self._y_file.finish(), "class_counts": self._class_counts.tolist()}

    def statistics(self) -> dict[str, Any] | None:
        """Of the samples so far, when this is the training split."""
        return self._moments.summary() if self._moments else None

    def close(self) -> None:
        """Close the files."""
        self._x_file.close()
        self._y_file.close()

    def _flush(self) -> None:
        if not self._filled:
            return
        x, y = self._x[: self._filled], self._y[: self._filled]
        self._check_labels(y)
        self._check_finite(x)
        self._class_counts += np.bincount(y, minlength=len(self._class_counts))
        if self._moments:
            self._moments.add(x)
        self._x_file.append(x)
        self._y_file.append(y)
        self._done, self._filled = self._done + len(y), 0
        self._writer.advance(len(y))

    def _check_labels(self, y: npt.NDArray[np.int64]) -> None:
        wrong = np.flatnonzero((y < 0) | (y >= len(self._class_counts)))
        if len(wrong):
            raise DataError(
                f"Label {y[wrong[0]]} of {self.name} sample {self._done + wrong[0]} is out of range.",
                cure=f"Allowed: 0 to {len(self._class_counts) - 1}, one for each class.",
            )

    def _check_finite(self, x: npt.NDArray[Any]) -> None:
        if x.dtype.kind == "f" and not np.isfinite(x).all():
            rows = x.reshape(len(x), -1)
            wrong = int(np.flatnonzero(~np.isfinite(rows).all(axis=1))[0])
            value = rows[wrong][~np.isfinite(rows[wrong])][0]
            raise DataError(
                f"{self.name} sample {self._done + wrong} contains {value}.", cure="Remove or replace values that are not finite."
            )

    def _unexpected(self, what: str) -> DataError:
        return DataError(
            f"{self.name} was announced with {self._count} samples of shape {self._x.shape[1:]}, but {what}.",
            cure="The dataset contradicts itself; get it anew.",
        )


def _check(name: str, class_names: Sequence[str], shape: tuple[int, ...], dtype: np.dtype[Any], train: int, test: int) -> None:
    for split, count in (("training", train), ("test", test)):
        if count < 1:
            raise DataError(f"{name} has no {split} samples.", cure="At least 1 training and 1 test sample are needed.")
    if len(class_names) < 2:
        raise DataError(f"{name} has {len(class_names)} class.", cure="A classifier needs at least 2 classes.")
    if not shape or min(shape) < 1:
        raise DataError(f"Samples of {name} have shape {shape}.", cure="Every sample needs at least one value on every axis.")
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise DataError(
            f"Samples of {name} are of type {dtype}.", cure="Allowed: integers of 8 to 64 bits and floats of 16 to 64 bits."
        )
