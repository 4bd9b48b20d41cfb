"""Failures of a training that have a known meaning and a cure: the disk is full or can't be written, or memory ran out."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path

from unikeras.errors import UnikerasError, WorkerError

# What the frameworks raise has no common base; these are the names of their classes, and what torch's CPU allocator says.
_CLASSES = {"MemoryError", "OutOfMemoryError", "ResourceExhaustedError", "_ArrayMemoryError"}
_DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG}
_PHRASES = ("can't allocate memory", "out of memory", "std::bad_alloc")


@contextlib.contextmanager
def explained(folder: Path, batch_size: int) -> Iterator[None]:
    """Turns such failures, while it lasts, into errors that say what to do.

    Args:
        folder: The run's.
    """
    try:
        yield
    except (UnikerasError, BrokenPipeError):  # a broken pipe means that the parent is gone
        raise
    except OSError as error:
        if not _is_of_writing(error, folder):
            raise
        raise WorkerError(
            f"The run in {folder} can't be written: {error.strerror}.",
            cure=f"Make room, or make the folder writable; then `unikeras resume {folder}` goes on from its last checkpoint.",
        ) from error
    except Exception as error:  # a framework's classes are not known here
        if not is_out_of_memory(error):
            raise
        raise WorkerError(
            f"Memory ran out with --batch-size {batch_size}.",
            cure=f"Try --batch-size {max(1, batch_size // 2)}, --dtype mixed_bfloat16, a smaller --image-size or model.",
        ) from error


def _is_of_writing(error: OSError, folder: Path) -> bool:
    """Whether an error comes from the run's files, and not from a file or a connection of the model's own code."""
    if error.filename is not None:
        return Path(error.filename).is_relative_to(folder)
    return error.errno in _DISK_ERRORS


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception, or what it came from, says that memory ran out."""
    causes = [error, *(cause for cause in (error.__cause__, error.__context__) if cause is not None)]
    return any(type(e).__name__ in _CLASSES or any(phrase in str(e).lower() for phrase in _PHRASES) for e in causes)
