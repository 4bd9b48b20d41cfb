"""Parent side of TFDS: which datasets it knows and which lie on this machine, found by names of files alone."""

from __future__ import annotations

import functools
import importlib.util
import os
import re
from pathlib import Path

from unikeras.data.request import Request
from unikeras.errors import DataError

INFO = "dataset_info.json"
_VERSION = re.compile(r"\d+\.\d+\.\d+")


def search_folders(data_dir: Path | None) -> list[Path]:
    """Where datasets are looked for, in this order: `data_dir`, `TFDS_DATA_DIR`, `~/tensorflow_datasets`."""
    environment = os.environ.get("TFDS_DATA_DIR")
    places = [data_dir, Path(environment) if environment else None, Path("~/tensorflow_datasets")]
    folders = [place.expanduser().absolute() for place in places if place is not None]
    return list(dict.fromkeys(folders))


def locate(name: str, data_dir: Path | None) -> Path | None:
    """The version folder of `name` or `name/config`, newest version first.

    Raises:
        DataError: The dataset has several configs here and none was named.
    """
    if not re.fullmatch(r"\w[\w.+-]*(/[\w.+-]+)?", name):
        return None
    for base in search_folders(data_dir):
        if newest := _newest_version(base / name):
            return newest
        configs = [path for path in _folders(base / name) if _newest_version(path)] if "/" not in name else []
        if len(configs) > 1:
            raise DataError(
                f"Dataset {name!r} in {base} has several configs.",
                cure=f"Name one of them: {', '.join(f'{name}/{path.name}' for path in configs)}.",
            )
        if configs:
            return _newest_version(configs[0])
    return None


def names_on_disk(data_dir: Path | None) -> dict[str, Path]:
    """Every dataset in the searched folders, `name` or `name/config`, with its version folder."""
    found: dict[str, Path] = {}
    for base in search_folders(data_dir):
        for path in _folders(base):
            for candidate in (path, *_folders(path)):
                if version := _newest_version(candidate):
                    found.setdefault(candidate.relative_to(base).as_posix(), version)
    return found


@functools.cache
def catalogue() -> frozenset[str]:
    """Names of the datasets that the installed TFDS can download, from the files of its package: nothing is imported."""
    spec = importlib.util.find_spec("tensorflow_datasets")
    names: set[str] = set()
    for root in (spec.submodule_search_locations or []) if spec else []:
        names.update(path.stem for path in Path(root, "url_checksums").glob("*.txt"))
        names.update(path.parent.name for path in Path(root, "datasets").glob("*/*_dataset_builder.py"))
    return frozenset(names)


def is_tfds_name(request: Request) -> bool:
    """Whether TFDS knows the name, or a dataset of that name lies on this machine."""
    return request.name.split("/", 1)[0] in catalogue() or locate(request.name, request.data_dir) is not None


def _newest_version(folder: Path) -> Path | None:
    versions = [path for path in _folders(folder) if _VERSION.fullmatch(path.name) and (path / INFO).is_file()]
    return max(versions, key=lambda path: tuple(map(int, path.name.split("."))), default=None)


def _folders(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir())
    except OSError:
        return []
