"""Worker side: make sure that a request's arrays are in the cache."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import filelock

from unikeras.data import cache
from unikeras.data.array_file import cannot_write
from unikeras.data.locate import Entry, entry
from unikeras.data.request import Request
from unikeras.data.sources import source_of
from unikeras.data.writer import Writer
from unikeras.errors import DataError
from unikeras.events import Emit, Notice


def prepare(request: Request, emit: Emit) -> Path:
    """The folder of the prepared arrays, writing them first where needed; of several processes at once, one does it.

    Emits `Preparing` while it writes, and a `Notice` when it waits for another process or replaces a damaged entry.

    Raises:
        DataError: The dataset can't be found or used, or the cache can't be written.
    """
    wanted = entry(request)
    if wanted.folder.is_dir() and cache.damage(wanted.folder) is None:
        return wanted.folder
    with _alone(wanted.folder, request.name, emit):
        reason = cache.damage(wanted.folder) if wanted.folder.is_dir() else ""
        if reason is None:
            return wanted.folder
        if reason:
            emit(Notice(f"The prepared {request.name} was damaged ({reason}); it is prepared again."))
        _remove_leftovers(wanted.folder.parent, wanted.folder.name)
        _write(request, wanted, emit)
    return wanted.folder


def fetch(request: Request, emit: Emit) -> Path:
    """Download the dataset where its source has a home on the network, then prepare it; the only use of a network.

    Raises:
        DataError: As `prepare`, or the download failed.
    """
    source_of(request).download(request, emit)
    return prepare(request, emit)


def _write(request: Request, wanted: Entry, emit: Emit) -> None:
    try:
        folder = Path(tempfile.mkdtemp(prefix=_leftover_prefix(wanted.folder.name), dir=wanted.folder.parent))
    except OSError as error:
        raise cannot_write(wanted.folder, error) from error
    try:
        with contextlib.closing(Writer(folder, request.name, emit)) as writer, _naming(request.name):
            wanted.source.write(request, writer)
            writer.finish(wanted.identity)
        if entry(request).identity != wanted.identity:
            raise DataError(f"{request.name} changed while it was being prepared.", cure="Try again when nobody writes to it.")
        _commit(folder, wanted.folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _naming(name: str) -> Iterator[None]:
    """An error in a dataset says which dataset: one that names a place in it, such as y_train[5], leaves that out."""
    try:
        yield
    except DataError as error:
        if Path(name).name not in error.message:
            error.message = f"{name}: {error.message}"
        raise


def _commit(folder: Path, target: Path) -> None:
    try:
        # mkdtemp makes folders for one user alone; an entry has the rights that any new folder here would have.
        umask = os.umask(0)
        os.umask(umask)
        folder.chmod(0o777 & ~umask)
        _flush_folder(folder)
        if target.exists():
            # A folder can't be renamed over a full one; the damaged one leaves under a name that is swept as a leftover.
            target.rename(tempfile.mkdtemp(prefix=_leftover_prefix(target.name), dir=target.parent))
        folder.rename(target)
        _flush_folder(target.parent)
    except OSError as error:
        raise cannot_write(target, error) from error
    _remove_leftovers(target.parent, target.name)


def _flush_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def _alone(folder: Path, name: str, emit: Emit) -> Iterator[None]:
    """Hold the entry's lock; on the way in, sweep what dead processes left of other entries."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = _lock(folder.parent, folder.name)
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            emit(Notice(f"Another process is preparing {name}; waiting for it."))
            lock.acquire()
    except OSError as error:
        raise cannot_write(folder, error) from error
    try:
        _sweep(folder)
        yield
    finally:
        lock.release()


def _lock(parent: Path, name: str) -> filelock.BaseFileLock:
    return filelock.FileLock(parent / f".{name}.lock")


def _leftover_prefix(name: str) -> str:
    return f".{name}.tmp-"


def _sweep(folder: Path) -> None:
    """Remove the temporary folders of other entries whose lock nobody holds: their writers are dead."""
    names = {path.name[1:].rsplit(".tmp-", 1)[0] for path in folder.parent.glob(".*.tmp-*")} - {folder.name}
    for name in names:
        with contextlib.suppress(filelock.Timeout, OSError), _lock(folder.parent, name).acquire(timeout=0):
            _remove_leftovers(folder.parent, name)


def _remove_leftovers(parent: Path, name: str) -> None:
    """Remove the temporary folders of an entry whose lock is held here: whoever made them is gone."""
    for path in parent.iterdir():
        if path.name.startswith(_leftover_prefix(name)):
            shutil.rmtree(path, ignore_errors=True)
