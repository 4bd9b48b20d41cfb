"""The lock of a run folder: one command works on a run at a time.

It is a lock of the operating system on an open file, which the worker inherits. So it is held exactly as long as the command or
its worker lives, however they end, and none is ever stale. The file's time is that of the worker's last sign of life.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from unikeras.errors import RunError
from unikeras.run import LOCK

PATIENCE_SECONDS = 15.0  # for a worker whose parent was killed: it ends by itself once it notices


@contextlib.contextmanager
def hold(folder: Path) -> Iterator[int]:
    """Locks a run folder, which exists; the descriptor is for the worker to inherit.

    Raises:
        RunError: another command is at work there, or the folder can't be written.
    """
    path = folder / LOCK
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise RunError(f"The run's folder {folder} can't be written: {error.strerror}.", cure="Make it writable.") from None
    try:
        _acquire(descriptor, folder)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield descriptor
    finally:
        os.close(descriptor)


def is_held(folder: Path) -> bool:
    """Whether a command is at work on a run."""
    try:
        descriptor = os.open(folder / LOCK, os.O_RDONLY)
    except OSError:
        return False
    try:
        return not _try(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def show_life(descriptor: int) -> None:
    """Notes down that the worker gave a sign of life, if the disk takes it: a full one must not end a training that runs."""
    with contextlib.suppress(OSError):
        os.utime(descriptor)


def last_life(folder: Path) -> float | None:
    """time.time() of the last sign of life of whoever worked on a run; None if nobody ever did."""
    try:
        return (folder / LOCK).stat().st_mtime
    except OSError:
        return None


def _acquire(descriptor: int, folder: Path) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not _try(descriptor):
        holder = os.pread(descriptor, 20, 0).decode()
        if _is_alive(holder) or time.monotonic() > deadline:
            raise RunError(
                f"Another command is at work on {folder} (process {holder or 'unknown'}).",
                cure="Wait until it ends, or stop it with Ctrl-C; `unikeras runs` shows what is running.",
            )
        time.sleep(0.1)


def _try(descriptor: int, kind: int = fcntl.LOCK_EX) -> bool:
    """Takes the lock, if nobody has it."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
            raise
        return False
    return True


def _is_alive(process: str) -> bool:
    if not process.isdigit():
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
