"""Worker side of TFDS: from a prepared TFDS folder to samples, in the order in which they lie on the disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_datasets as tfds

from unikeras.data.images import resize
from unikeras.data.splits import held_out
from unikeras.errors import DataError

if TYPE_CHECKING:
    from unikeras.data.writer import Writer

_TEST_NAMES = ("test", "validation", "val", "valid")
_Batch = tuple[npt.NDArray[Any], npt.NDArray[np.int64]]


def copy(folder: Path, size: tuple[int, int] | None, writer: Writer) -> None:
    """Write a dataset's training and test images; without a test or validation split a fifth of each class becomes it.

    Args:
        folder: The version folder, with `dataset_info.json`.
        size: (height, width) in pixels, or None for the images' own.
        writer: Takes the samples.

    Raises:
        DataError: The dataset isn't one of images with one class each, or can't be read.
    """
    try:
        _copy(tfds.builder_from_directory(folder), size, writer)
    except (tf.errors.OpError, OSError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise DataError(
            f"TFDS can't read {folder}: {reason}.",
            cure="Delete this folder and download the dataset again, or use another --data-dir.",
        ) from error


def _copy(builder: Any, size: tuple[int, int] | None, writer: Writer) -> None:
    image_key, label_key = _keys(builder.info)
    feature = builder.info.features[image_key]
    shape = _shape(builder.name, feature.shape, feature.np_dtype, size)
    counts = {name: split.num_examples for name, split in builder.info.splits.items()}
    test_name = next((name for name in _TEST_NAMES if counts.get(name)), None)
    if not counts.get("train"):
        raise DataError(
            f"{builder.name} has no training split, only {', '.join(counts)}.", cure="Use a dataset with a split named train."
        )
    reader = _Reader(builder, image_key, label_key, size if None in feature.shape or feature.shape != shape else None)
    out = np.zeros(counts["train"], np.bool_) if test_name else held_out(reader.labels("train"))
    test_count = counts[test_name] if test_name else int(out.sum())
    names = builder.info.features[label_key].names
    writer.start(class_names=names, shape=shape, dtype=feature.np_dtype, train=int((~out).sum()), test=test_count)
    start = 0
    for images, labels in reader.batches("train", writer.train.rows):
        here = out[start : start + len(labels)]
        writer.train.append(images[~here], labels[~here])
        writer.test.append(images[here], labels[here])
        start += len(labels)
    if test_name:
        for images, labels in reader.batches(test_name, writer.test.rows):
            writer.test.append(images, labels)


class _Reader:
    """Streams splits as arrays; `size` is given when the images need resizing."""

    def __init__(self, builder: Any, image_key: str, label_key: str, size: tuple[int, int] | None) -> None:
        self._builder, self._image_key, self._label_key, self._size = builder, image_key, label_key, size

    def labels(self, split: str) -> npt.NDArray[np.int64]:
        """All labels, [count]; no image is decoded."""
        batches = self._dataset(split, {self._label_key: True}).batch(4096).as_numpy_iterator()
        return np.concatenate([batch[self._label_key] for batch in batches])

    def batches(self, split: str, rows: int) -> Iterator[_Batch]:
        """Images [n, height, width, channels] and labels [n]."""
        dataset = self._dataset(split, {self._image_key: True, self._label_key: True})
        if self._size is None:
            for batch in dataset.batch(rows).prefetch(2).as_numpy_iterator():
                yield batch[self._image_key], batch[self._label_key]
        else:
            for sample in dataset.prefetch(2).as_numpy_iterator():
                yield resize(sample[self._image_key], *self._size)[None], np.array([sample[self._label_key]])

    def _dataset(self, split: str, wanted: dict[str, bool]) -> Any:
        # One file after the other: TFDS's default reads sixteen in turns, an order that depends on how many there are.
        config = tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False)
        return self._builder.as_dataset(
            split=split, shuffle_files=False, read_config=config, decoders=tfds.decode.PartialDecoding(wanted)
        )


def _keys(info: Any) -> tuple[str, str]:
    """The names of the image and of the label among the features."""
    features = dict(info.features.items())
    images = [key for key, feature in features.items() if isinstance(feature, tfds.features.Image)]
    labels = [key for key, feature in features.items() if isinstance(feature, tfds.features.ClassLabel)]
    if (pair := info.supervised_keys) and len(pair) == 2 and pair[0] in images and pair[1] in labels:
        return pair[0], pair[1]
    if len(images) == 1 and len(labels) == 1:
        return images[0], labels[0]
    listed = ", ".join(f"{key} ({type(feature).__name__})" for key, feature in features.items())
    raise DataError(
        f"Dataset {info.name!r} is not one of images with one class each; its features are {listed}.",
        cure="Use a dataset with one Image and one ClassLabel feature.",
    )


def _shape(name: str, declared: tuple[int | None, ...], dtype: npt.DTypeLike, size: tuple[int, int] | None) -> tuple[int, ...]:
    if size is not None and np.dtype(dtype) != np.uint8:
        raise DataError(f"Images of {name} are {np.dtype(dtype).name} and can't be resized.", cure="Leave the image size out.")
    shape = tuple(axis for axis in (*(size or declared[:2]), declared[2]) if axis is not None)
    if len(shape) < 3:
        raise DataError(
            f"Images of {name} vary in size: their shape is {declared}.",
            cure="Give all of them one size, such as --image-size 64.",
        )
    return shape
