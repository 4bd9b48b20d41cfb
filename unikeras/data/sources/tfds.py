"""Any image-classification dataset of TensorFlow Datasets, by its name or `name/config`; never fetched unasked."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unikeras.data.request import Request
from unikeras.data.sources import Source
from unikeras.data.sources._tfds_folders import catalogue, locate, names_on_disk, search_folders
from unikeras.errors import DataError
from unikeras.events import Emit, Notice

if TYPE_CHECKING:
    from unikeras.data.writer import Writer

_RECIPE = 1  # raise when `write` produces other bytes
_LISTED = ("cifar10", "cifar100", "mnist", "fashion_mnist")


class _Tfds(Source):
    name = "tfds"
    order = 30

    def accepts(self, request: Request) -> bool:
        """The last to be asked: a name that nobody knows is best explained here."""
        return True

    def identity(self, request: Request) -> dict[str, Any]:
        folder = _located(request)
        files = [[path.name, path.stat().st_size, path.stat().st_mtime_ns] for path in sorted(folder.iterdir())]
        return {"recipe": _RECIPE, "path": str(folder), "files": files}

    def listing(self, data_dir: Path | None) -> list[tuple[str, str]]:
        found = names_on_disk(data_dir)
        names = [*_LISTED, *sorted(found.keys() - set(_LISTED))]
        return [(name, str(found.get(name, "not there"))) for name in names]

    def write(self, request: Request, writer: Writer) -> None:
        from unikeras.data.sources._tfds_reading import copy

        copy(_located(request), request.size, writer)

    def download(self, request: Request, emit: Emit) -> None:
        """Into the first of the searched folders, unless one of them has the dataset already."""
        if locate(request.name, request.data_dir) is not None:
            return
        from unikeras.data.sources._tfds_download import download

        target = search_folders(request.data_dir)[0]
        emit(Notice(f"Downloading {request.name} into {target} through TFDS."))
        download(request.name, target, _unknown(request.name))


def _located(request: Request) -> Path:
    folder = locate(request.name, request.data_dir)
    if folder is not None:
        return folder
    if request.name.split("/", 1)[0] not in catalogue():
        raise _unknown(request.name)
    raise DataError(
        f"Dataset {request.name!r} is not on this machine; looked in {', '.join(map(str, search_folders(request.data_dir)))}.",
        cure=f"Download it with `unikeras data prepare {request.name} --download`, or say where it is with --data-dir.",
    )


def _unknown(name: str) -> DataError:
    from unikeras.data.sources import all_sources

    listed = [known for source in all_sources() if source is not SOURCE for known, _ in source.listing(None)]
    near = difflib.get_close_matches(name.lower(), sorted({*listed, *_LISTED, *catalogue()}), n=3, cutoff=0.7)
    hint = f"Did you mean {' or '.join(near)}? " if near else ""
    return DataError(
        f"Unknown dataset {name!r}.",
        cure=f"{hint}Allowed: {', '.join((*listed, *_LISTED))} or another image-classification dataset of TFDS, a folder "
        "with a subfolder of images per class, an .npz file, or random:SHAPE:CLASSES:COUNT such as random:32x32x3:10:1000.",
    )


SOURCE = _Tfds()
