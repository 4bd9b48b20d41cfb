"""Parent side: from a request to the folder of prepared arrays, or to the reason why there is none."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from unikeras.data import cache
from unikeras.data.request import Request
from unikeras.data.sources import Source, all_sources, source_of

__all__ = ["Entry", "Request", "absolute_name", "damage", "entry", "find", "list_datasets"]


@dataclasses.dataclass(frozen=True)
class Entry:
    """Where a request's arrays belong, prepared or not.

    Attributes:
        source: Who can write them.
        identity: What determines their bytes, as JSON values.
        folder: The entry's folder in the cache.
    """

    source: Source
    identity: dict[str, Any]
    folder: Path


def entry(request: Request) -> Entry:
    """Where a request's arrays belong.

    Raises:
        DataError: The dataset is unknown, or its source isn't there.
    """
    source = source_of(request)
    identity = {"source": source.name, "image_size": request.image_size, **source.identity(request)}
    return Entry(source, identity, cache.entry_folder(request.cache_dir, request.name, identity))


def absolute_name(request: Request) -> str:
    """The dataset's name as it means the same in every folder.

    Raises:
        DataError: The dataset is unknown.
    """
    return source_of(request).absolute_name(request)


def find(request: Request) -> Path | None:
    """The folder of the prepared arrays, or None when they have to be prepared (again).

    Raises:
        DataError: The dataset is unknown, or its source isn't there.
    """
    folder = entry(request).folder
    return folder if folder.is_dir() and cache.damage(folder) is None else None


def damage(request: Request) -> str | None:
    """Why an entry that is there can't be used, or None; an entry that isn't there is not damaged."""
    folder = entry(request).folder
    return cache.damage(folder) if folder.is_dir() else None


def list_datasets(data_dir: Path | None, cache_dir: Path | None) -> list[dict[str, Any]]:
    """Every dataset that can be named: `name`, `where` (`built in`, a folder, or `not there`) and `prepared` (bool)."""
    prepared = cache.prepared_names(cache_dir)
    return [
        {"name": name, "where": where, "prepared": name in prepared}
        for source in all_sources()
        for name, where in source.listing(data_dir)
    ]
