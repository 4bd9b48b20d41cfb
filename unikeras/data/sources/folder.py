"""A folder of image files: a subfolder per class, or `train/` and `test/` with such subfolders."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unikeras.data.request import Request
from unikeras.data.sources import Source
from unikeras.data.sources._folder_layout import read_layout
from unikeras.data.sources._tfds_folders import is_tfds_name
from unikeras.errors import DataError

if TYPE_CHECKING:
    from unikeras.data.writer import SplitWriter, Writer

_RECIPE = 1  # raise when `write` produces other bytes
_Files = Sequence[tuple[Path, int]]


class _Folder(Source):
    name = "folder"
    order = 20

    def accepts(self, request: Request) -> bool:
        """Anything spelt as a path, and any existing one unless TFDS knows a dataset of that name."""
        if request.name.startswith(("/", ".", "~")):
            return True
        return bool(request.name) and _root(request).exists() and not is_tfds_name(request)

    def absolute_name(self, request: Request) -> str:
        return str(_root(request))

    def identity(self, request: Request) -> dict[str, Any]:
        root = _root(request)
        layout = read_layout(root)
        digest = hashlib.sha256()
        for path, _ in [*layout.train, *(layout.test or [])]:
            try:
                status = path.stat()
            except OSError as error:
                raise DataError(f"{path} can't be read: {error.strerror}.", cure="Remove or replace it.") from error
            digest.update(f"{path.relative_to(root).as_posix()}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
        return {"recipe": _RECIPE, "path": str(root), "files": digest.hexdigest()}

    def write(self, request: Request, writer: Writer) -> None:
        """Greyscale when every file is, RGB otherwise; without a test set a fifth of each class becomes it."""
        layout = read_layout(_root(request))
        if layout.others:
            writer.note(f"left out {len(layout.others)} files that are no images, such as {layout.others[0]}")
        train, test = (layout.train, layout.test) if layout.test is not None else _divide(layout.train)
        shape = _common_shape([*train, *test], request.size)
        writer.start(class_names=layout.class_names, shape=shape, dtype="uint8", train=len(train), test=len(test))
        _copy(train, shape, writer.train)
        _copy(test, shape, writer.test)


def _root(request: Request) -> Path:
    return Path(request.name).expanduser().resolve()


def _divide(files: _Files) -> tuple[_Files, _Files]:
    import numpy as np

    from unikeras.data.splits import held_out

    test = held_out(np.array([label for _, label in files]))
    return [file for file, out in zip(files, test, strict=True) if not out], [
        file for file, out in zip(files, test, strict=True) if out
    ]


def _common_shape(files: _Files, size: tuple[int, int] | None) -> tuple[int, int, int]:
    from unikeras.data.images import inspect_image

    first = files[0][0]
    height, width, channels = inspect_image(first)
    for path, _ in files:
        other_height, other_width, other_channels = inspect_image(path)
        channels = max(channels, other_channels)
        if size is None and (other_height, other_width) != (height, width):
            raise DataError(
                f"Images differ in size: {first} has {height}x{width}, {path} has {other_height}x{other_width} (height x width).",
                cure=f"Give all of them one size, such as --image-size {height}x{width}.",
            )
    return (*(size or (height, width)), channels)


def _copy(files: _Files, shape: tuple[int, int, int], split: SplitWriter) -> None:
    from unikeras.data.images import load_image

    for path, label in files:
        split.append(load_image(path, *shape)[None], [label])


SOURCE = _Folder()
