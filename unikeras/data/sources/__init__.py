"""Where datasets come from: one file per source, found by looking into this folder.

A new source is one file here that defines `SOURCE`, an instance of a `Source`; nothing else names it. Files that begin with an
underscore are shared code. Importing a source imports neither NumPy nor a framework: what is heavy is imported inside `write`.

Sources are asked in rising `order` whether they accept a request, and the first that does owns it:
10 for exact names, prefixes and suffixes, 20 for other paths, 30 for names in a catalogue.
"""

from __future__ import annotations

import abc
import functools
import importlib
import pkgutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unikeras.data.request import Request
from unikeras.events import Emit

if TYPE_CHECKING:
    from unikeras.data.writer import Writer


class Source(abc.ABC):
    """A kind of dataset.

    Attributes:
        name: The kind in one word; part of the identity.
        order: When it is asked, see above.
    """

    name: str
    order: int

    @abc.abstractmethod
    def accepts(self, request: Request) -> bool:
        """Parent side, cheap: whether the request's name is of this kind. The dataset need not exist."""

    def absolute_name(self, request: Request) -> str:
        """Parent side: the name that means the same in every folder; paths become absolute."""
        return request.name

    @abc.abstractmethod
    def identity(self, request: Request) -> dict[str, Any]:
        """Parent side, cheap: JSON values that determine the bytes (paths, sizes, mtimes in ns, a recipe number).

        Raises:
            DataError: The dataset isn't there; the cure says how to get it.
        """

    @abc.abstractmethod
    def write(self, request: Request, writer: Writer) -> None:
        """Worker side: call `writer.start` once, then append every sample of both splits, never holding a whole array.

        Raises:
            DataError: The dataset can't be read or used.
        """

    def listing(self, data_dir: Path | None) -> list[tuple[str, str]]:
        """Parent side: (name, where) of the datasets of this kind that can be listed."""
        return []

    def download(self, request: Request, emit: Emit) -> None:
        """Worker side: fetch what `write` reads. Nothing to do unless the source has its home on a network.

        Raises:
            DataError: It couldn't be fetched; the message has the reason in one line.
        """
        return


@functools.cache
def all_sources() -> tuple[Source, ...]:
    """Every source, in the order in which they are asked."""
    names = [module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_")]
    found = [importlib.import_module(f"{__name__}.{name}").SOURCE for name in names]
    return tuple(sorted(found, key=lambda source: (source.order, source.name)))


def source_of(request: Request) -> Source:
    """The source that owns a request; the catalogue at the end owns what nobody else accepts."""
    return next(source for source in all_sources() if source.accepts(request))
