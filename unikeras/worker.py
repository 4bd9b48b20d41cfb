"""The worker process: `python -P -m unikeras.worker EVENTS_FD`. This is the whole contract of the process boundary.

- Environment: what has to be set before a framework is imported (`launcher.child_environment`): KERAS_BACKEND, thread counts,
  allocator, log levels.
- Standard input: one line, an `events.Job`. After that it only has to stay open: when it closes, the parent is gone, and
  the worker ends at once.
- EVENTS_FD: a pipe on which the worker writes `events.Event` lines. The last is `Finished` with the job's result, or `Failed`
  with an error of the tree in `errors.py`. A worker that ends without either has died.
- Standard output and error belong to the frameworks; the parent keeps them in a log.
- Exit status: 0 after `Finished`, otherwise the error's exit code.

`-P` keeps the current folder out of the import path: a user's `torch.py` there must not pass for torch.
"""

from __future__ import annotations

import os
import sys
import threading
import traceback

from unikeras.errors import UnikerasError, WorkerError
from unikeras.events import Emit, Event, Failed, Finished, Job


def main() -> int:
    """Does one job."""
    events_fd = int(sys.argv[1])
    os.set_inheritable(events_fd, False)  # a process started by a model file must not keep the pipe open
    job = Job.decode(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with os.fdopen(events_fd, "w", encoding="utf-8", buffering=1) as pipe:

        def emit(event: Event) -> None:
            pipe.write(event.encode() + "\n")

        try:
            emit(Finished(_do(job, emit)))
            return 0
        except UnikerasError as error:
            traceback.print_exc()
            emit(Failed(error.to_dict()))
            return error.exit_code


def _do(job: Job, emit: Emit) -> object:
    """The job's result; errors outside of our tree become one of it, with their traceback as details."""
    from unikeras import jobs

    try:
        return jobs.JOBS[job.kind](emit=emit, **job.arguments)
    except UnikerasError as error:
        error.details = error.details or traceback.format_exc()
        raise
    except BrokenPipeError:
        os._exit(1)  # the parent is gone
    except Exception as error:  # whatever it is, the parent has to be told
        reason = " ".join(str(error).split())[:500]
        raise WorkerError(f"{type(error).__name__}: {reason}", details=traceback.format_exc()) from error


def _end_with_parent() -> None:
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # Not sys.exit: the thread that waits on standard input would disturb the interpreter's shutdown, and the frameworks'
    # own clearing up takes up to a second that nobody gains from.
    os._exit(status)
