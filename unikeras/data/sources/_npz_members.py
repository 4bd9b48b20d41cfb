"""Arrays inside an `.npz` file, read in pieces: neither unpacked as a whole nor ever unpickled."""

from __future__ import annotations

import contextlib
import math
import tempfile
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from unikeras.errors import DataError

_PIECE_BYTES = 1 << 20
# zipfile's, zlib's, and what NumPy's parser of headers lets through.
_FAILURES = (
    OSError, ValueError, EOFError, LookupError, TypeError, ArithmeticError, RuntimeError, SyntaxError, tokenize.TokenError,
    zipfile.BadZipFile, zlib.error,
)  # fmt: skip
_HEADER_READERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


class NpzFile:
    """An opened `.npz` file.

    Args:
        path: Of the file.

    Raises:
        DataError: It isn't a zip archive.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._readable(""):
            self._archive = zipfile.ZipFile(path)

    def __enter__(self) -> NpzFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._archive.close()

    def names(self) -> list[str]:
        """Of the arrays."""
        return [name.removesuffix(".npy") for name in self._archive.namelist() if name.endswith(".npy")]

    def header(self, name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
        """Shape and type of an array.

        Raises:
            DataError: It isn't an array of numbers.
        """
        with self._readable(name), self._archive.open(f"{name}.npy") as member:
            shape, _, dtype = self._read_header(member, name)
            if member.tell() + math.prod(shape) * dtype.itemsize > self._archive.getinfo(f"{name}.npy").file_size:
                raise EOFError(f"it ends too early for its shape {shape}")  # told before memory for so much is asked for
        return shape, dtype

    def pieces(self, name: str, rows: int, scratch: Path) -> Iterator[npt.NDArray[Any]]:
        """The array's rows in order, at most `rows` at a time.

        Args:
            name: Of the array.
            rows: Along the first axis.
            scratch: A folder for a temporary file, needed by arrays in Fortran order.

        Raises:
            DataError: The file is damaged.
        """
        with self._readable(name), self._archive.open(f"{name}.npy") as member:
            shape, fortran, dtype = self._read_header(member, name)
            if fortran:
                yield from _fortran_pieces(member, shape, dtype, rows, scratch)
            else:
                row_bytes = dtype.itemsize * math.prod(shape[1:])
                for start in range(0, shape[0], rows):
                    count = min(rows, shape[0] - start)
                    yield np.frombuffer(_read_exactly(member, count * row_bytes), dtype).reshape(count, *shape[1:])
            if member.read(1):  # also makes zipfile compare the checksum
                raise ValueError("it is longer than its header says")

    def _read_header(self, member: IO[bytes], name: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
        read = _HEADER_READERS.get(np.lib.format.read_magic(member))
        shape, fortran, dtype = read(member) if read else ((), False, np.dtype(object))
        if dtype.kind not in "biuf" or not shape:
            what = "Python objects, which are never unpickled" if dtype.hasobject else f"type {dtype} with shape {shape}"
            is_text = dtype.kind in "US" and name.startswith("y_")
            numbers = " numpy.unique(y, return_inverse=True)[1] makes numbers of names." if is_text else ""
            cure = f"Allowed: arrays of integers, floats or booleans.{numbers}"
            raise DataError(f"Array {name} of {self._path} has {what}.", cure=cure)
        return shape, fortran, dtype

    @contextlib.contextmanager
    def _readable(self, what: str) -> Iterator[None]:
        try:
            yield
        except _FAILURES as error:
            raise DataError(
                f"{what}{' of ' if what else ''}{self._path} can't be read: {error}.",
                cure="Save the file again with numpy.savez(file, x_train=..., ...).",
            ) from error


def _fortran_pieces(
    member: IO[bytes], shape: tuple[int, ...], dtype: np.dtype[Any], rows: int, scratch: Path
) -> Iterator[npt.NDArray[Any]]:
    """Rows of an array whose first axis runs fastest: unpacked into a file, for its rows lie scattered."""
    with tempfile.TemporaryFile(dir=scratch) as file:
        left = dtype.itemsize * math.prod(shape)
        while left:
            file.write(_read_exactly(member, min(left, _PIECE_BYTES)))
            left -= min(left, _PIECE_BYTES)
        file.flush()
        array = np.memmap(file, dtype, "r", shape=shape, order="F")
        for start in range(0, shape[0], rows):
            yield np.ascontiguousarray(array[start : start + rows])


def _read_exactly(member: IO[bytes], count: int) -> bytearray:
    buffer = bytearray(count)
    view, done = memoryview(buffer), 0
    while done < count:
        piece = member.read(min(count - done, _PIECE_BYTES))
        if not piece:
            raise EOFError("it ends too early")
        view[done : done + len(piece)] = piece
        done += len(piece)
    return buffer
