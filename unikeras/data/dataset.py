"""Worker side: a prepared entry as read-only arrays, and its description for people."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from unikeras.data import cache
from unikeras.errors import DataError

Mode = Literal["unit", "symmetric", "dataset"]


@dataclasses.dataclass(frozen=True)
class Split:
    """One split, read-only and memory-mapped: only the samples that are read come into memory, and the system can take them back.

    Attributes:
        x: [count, *input_shape].
        y: [count] int64 labels.
    """

    x: npt.NDArray[Any]
    y: npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class Dataset:
    """A prepared dataset.

    Attributes:
        name: As the user named it.
        train: The training split.
        test: The test split.
        input_shape: Of one sample.
        class_names: Label i means `class_names[i]`.
        data_hash: SHA-256 that identifies the arrays, wherever they came from.
        statistics: Of the training set: `minimum`, `maximum`, and per channel (last axis) `mean` and `std`.
    """

    name: str
    train: Split
    test: Split
    input_shape: tuple[int, ...]
    class_names: tuple[str, ...]
    data_hash: str
    statistics: dict[str, Any]

    @staticmethod
    def open(folder: Path) -> Dataset:
        """Map the arrays of an entry.

        Raises:
            DataError: The entry is damaged.
        """
        manifest = cache.read_manifest(folder)
        train, test = (_map(folder, manifest["splits"][split]) for split in ("train", "test"))
        return Dataset(
            name=manifest["name"],
            train=train,
            test=test,
            input_shape=train.x.shape[1:],
            class_names=tuple(manifest["class_names"]),
            data_hash=cache.data_hash(manifest),
            statistics=manifest["statistics"],
        )

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    def normalization(self, mode: Mode) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """(scale, offset) with normalized = x * scale + offset.

        `unit` maps the range of values to [0, 1] and `symmetric` to [-1, 1]; the range is 0 … 255 for uint8 and the training
        set's minimum … maximum otherwise. `dataset` gives each channel mean 0 and standard deviation 1 over the training set.
        Where all values are equal, scale is 1 and the result is 0.

        Returns:
            Two float64 arrays: shape () for `unit` and `symmetric`, [channels] for `dataset`.
        """
        if mode == "dataset":
            mean, std = np.array(self.statistics["mean"]), np.array(self.statistics["std"])
            scale = 1.0 / np.where(std == 0, 1.0, std)
            return scale, -mean * scale
        eight_bit = self.train.x.dtype == np.uint8
        low, high = (0, 255) if eight_bit else (self.statistics["minimum"], self.statistics["maximum"])
        if low == high:
            return np.array(1.0), np.array(-float(low))
        bottom, height = (0.0, 1.0) if mode == "unit" else (-1.0, 2.0)
        scale = np.array(height / float(high - low))
        return scale, np.array(bottom - low * scale)


def describe(folder: Path) -> dict[str, Any]:
    """What `unikeras data info` shows, after hashing every byte.

    Returns:
        JSON values: `name`, `source`, `samples` and `class_counts` by split, `shape`, `dtype`, `classes` (names), `bytes`,
        `hash`, `statistics`, `folder`.

    Raises:
        DataError: The entry is damaged.
    """
    cache.verify(folder)
    manifest = cache.read_manifest(folder)
    splits = manifest["splits"]
    return {
        "name": manifest["name"],
        "source": manifest["identity"]["source"],
        "samples": {name: split["x"]["shape"][0] for name, split in splits.items()},
        "shape": splits["train"]["x"]["shape"][1:],
        "dtype": splits["train"]["x"]["dtype"],
        "classes": manifest["class_names"],
        "class_counts": {name: split["class_counts"] for name, split in splits.items()},
        "bytes": sum(file["bytes"] for file in cache.files(manifest)),
        "hash": cache.data_hash(manifest),
        "statistics": manifest["statistics"],
        "folder": str(folder),
    }


def _map(folder: Path, split: dict[str, Any]) -> Split:
    return Split(_load(folder, split["x"]), _load(folder, split["y"]))


def _load(folder: Path, file: dict[str, Any]) -> npt.NDArray[Any]:
    path = folder / file["name"]
    try:
        # asarray: the bare ndarray over the map indexes faster than np.memmap and stays read-only.
        array = np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path} can't be read: {error}.", cure=f"Delete {folder}; it is then prepared again.") from error
    if list(array.shape) != file["shape"] or array.dtype.name != file["dtype"]:
        raise DataError(
            f"{path} has shape {list(array.shape)}, type {array.dtype}; the manifest says {file['shape']}, {file['dtype']}.",
            cure=f"Delete {folder}; it is then prepared again.",
        )
    return array
