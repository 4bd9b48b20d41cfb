"""One `.npy` file, written front to back and hashed on the way."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from unikeras.errors import DataError


class ArrayFile:
    """Rows appended to an array whose shape is known; nothing but the current rows lies in memory.

    Args:
        path: Of the new file.
        shape: Of the whole array.
        dtype: Of its elements.
    """

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: npt.DTypeLike) -> None:
        self._path, self._shape, self._dtype = path, shape, np.dtype(dtype)
        self._digest = hashlib.sha256()
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(
            header, {"descr": np.lib.format.dtype_to_descr(self._dtype), "fortran_order": False, "shape": shape}
        )
        try:
            self._file = path.open("wb")
        except OSError as error:
            raise cannot_write(path.parent, error) from error
        self._write(header.getvalue())

    def append(self, rows: npt.NDArray[Any]) -> None:
        """Write the next rows.

        Raises:
            DataError: The disk is full or can't be written.
        """
        if rows.size:
            self._write(np.ascontiguousarray(rows, self._dtype).data.cast("B"))

    def _write(self, data: bytes | memoryview) -> None:
        self._digest.update(data)
        try:
            self._file.write(data)
        except OSError as error:
            raise cannot_write(self._path.parent, error) from error

    def finish(self) -> dict[str, Any]:
        """Bring everything onto the disk and describe the file as the manifest wants it."""
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
        except OSError as error:
            raise cannot_write(self._path.parent, error) from error
        status = self._path.stat()
        return {
            "name": self._path.name,
            "shape": list(self._shape),
            "dtype": self._dtype.name,
            "bytes": status.st_size,
            "sha256": self._digest.hexdigest(),
            "mtime_ns": status.st_mtime_ns,
        }

    def close(self) -> None:
        """Give the file back; without `finish` it is worth nothing, so that a full disk, on which closing fails, is no matter."""
        with contextlib.suppress(OSError):
            self._file.close()


def cannot_write(folder: Path, error: OSError) -> DataError:
    """The error for a cache that is read-only or full."""
    return DataError(
        f"Can't write the prepared data into {folder.parent}: {error.strerror or error}.",
        cure="Free some space there, or name another folder with --cache-dir.",
    )
