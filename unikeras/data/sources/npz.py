"""An `.npz` file with `x_train`, `y_train`, `x_test` and `y_test`, of any shape and of any size: it is read in pieces.

uint8 arrays [N, height, width] are taken for greyscale images and get a channel axis; booleans become 0 and 255.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unikeras.data.request import Request
from unikeras.data.sources import Source
from unikeras.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from unikeras.data.sources._npz_members import NpzFile
    from unikeras.data.writer import SplitWriter, Writer

_RECIPE = 1  # raise when `write` produces other bytes
_KEYS = ("x_train", "y_train", "x_test", "y_test")
_LABEL_ROWS = 1 << 16


class _Npz(Source):
    name = "npz"
    order = 10

    def accepts(self, request: Request) -> bool:
        return request.name.endswith(".npz")

    def absolute_name(self, request: Request) -> str:
        return str(_path(request))

    def identity(self, request: Request) -> dict[str, Any]:
        request.refuse_size("the shape is that of the arrays")
        path = _path(request)
        try:
            status = path.stat()
        except OSError as error:
            raise DataError(f"File {path} can't be read: {error.strerror}.", cure="Check the path.") from error
        return {"recipe": _RECIPE, "path": str(path), "bytes": status.st_size, "mtime_ns": status.st_mtime_ns}

    def write(self, request: Request, writer: Writer) -> None:
        """The number of classes is the highest training label plus one; every class needs a training sample."""
        from unikeras.data.sources._npz_members import NpzFile

        with NpzFile(_path(request)) as file:
            _check_keys(file.names())
            shape, dtype = _sample(file)
            labels = {split: _labels(file, f"y_{split}", writer.folder) for split in ("train", "test")}
            writer.start(
                class_names=[str(label) for label in range(_count_classes(labels["train"]))],
                shape=shape,
                dtype=dtype,
                train=len(labels["train"]),
                test=len(labels["test"]),
            )
            for split in (writer.train, writer.test):
                _copy(file, split, labels[split.name], shape, writer.folder)


def _path(request: Request) -> Path:
    return Path(request.name).expanduser().resolve()


def _check_keys(names: list[str]) -> None:
    for key in _KEYS:
        if key not in names:
            near = difflib.get_close_matches(key, names, n=1)
            hint = f"Is {near[0]!r} meant? Rename it. " if near and near[0] not in _KEYS else ""
            raise DataError(
                f"The .npz file has no array {key!r}.",
                cure=f"{hint}Needed: {', '.join(_KEYS)}. In the file: {', '.join(sorted(names)) or 'no array'}.",
            )


def _sample(file: NpzFile) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type of one sample as it is stored; checks that the four arrays fit together."""
    import numpy as np

    (shape, dtype), (test_shape, test_dtype) = file.header("x_train"), file.header("x_test")
    if shape[1:] != test_shape[1:] or dtype != test_dtype:
        raise DataError(
            f"x_train has samples of shape {shape[1:]} and type {dtype}, x_test of shape {test_shape[1:]} and type {test_dtype}.",
            cure="Both need the same shape and type.",
        )
    if len(shape) < 2:
        raise DataError(f"x_train has shape {shape}, so a sample has no axis.", cure="Give it one: x_train.reshape(-1, 1).")
    for split, rows in (("train", shape[0]), ("test", test_shape[0])):
        labels = file.header(f"y_{split}")[0]
        if labels not in ((rows,), (rows, 1)):
            raise DataError(
                f"x_{split} has {rows} samples but y_{split} has shape {labels}.",
                cure=f"Needed: one integer label for each sample, shape ({rows},); one-hot labels become so by argmax(axis=1).",
            )
    if dtype in (np.uint8, np.bool_):
        return (*shape[1:], *((1,) if len(shape) == 3 else ())), np.dtype(np.uint8)
    return shape[1:], dtype


def _labels(file: NpzFile, key: str, scratch: Path) -> npt.NDArray[np.int64]:
    import numpy as np

    pieces = [piece.reshape(-1) for piece in file.pieces(key, _LABEL_ROWS, scratch)]
    raw = np.concatenate(pieces) if pieces else np.zeros(0, np.int64)
    # Compared as they are: a conversion to int64 would let a float or a huge number pass for a label.
    wrong = np.flatnonzero((raw < 0) | (raw > np.iinfo(np.int32).max) | (raw != np.trunc(raw)))
    if len(wrong):
        raise DataError(f"Label {raw[wrong[0]]} at {key}[{wrong[0]}] is no class.", cure="Allowed: whole numbers from 0.")
    return raw.astype(np.int64)


def _count_classes(labels: npt.NDArray[np.int64]) -> int:
    import numpy as np

    present = np.unique(labels)
    gaps = np.flatnonzero(present != np.arange(len(present)))
    if len(gaps):
        value = present[gaps[0]]
        raise DataError(
            f"Label {value} at y_train[{np.flatnonzero(labels == value)[0]}] leaves a gap: no training label is {gaps[0]}.",
            cure="Number the classes from 0 without gaps: numpy.unique(y, return_inverse=True)[1] does so.",
        )
    return len(present)


def _copy(file: NpzFile, split: SplitWriter, labels: npt.NDArray[np.int64], shape: tuple[int, ...], scratch: Path) -> None:
    import numpy as np

    done = 0
    for piece in file.pieces(f"x_{split.name}", split.rows, scratch):
        values = piece.astype(np.uint8) * np.uint8(255) if piece.dtype == np.bool_ else piece
        split.append(values.reshape(len(piece), *shape), labels[done : done + len(piece)])
        done += len(piece)


SOURCE = _Npz()
