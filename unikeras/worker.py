"""The worker process: `python -P -m unikeras.worker EVENTS_FD [LOCK_FD]`. This is the whole contract of the process boundary.

- Environment: what has to be set before a framework is imported (`launcher.child_environment`): KERAS_BACKEND, thread counts,
  allocator, log levels.
- Standard input: one line, an `events.Job`. After that it only has to stay open: when it closes, the parent is gone, and
  the worker ends at once. A line `stop` asks a training to finish its step, save a checkpoint and report `Stopped`; other
  lines are for jobs that are told what to do next (`orders`).
- EVENTS_FD: a pipe on which the worker writes `events.Event` lines, at least one every `ALIVE_SECONDS`. The last is `Finished`
  with the job's result, `Stopped`, or `Failed` with an error of the tree in `errors.py`. A worker that ends without any has died.
- LOCK_FD, if given: the run folder's lock. It is only held open, so that nobody else works on the run while this process lives.
- Standard output and error belong to the frameworks; the parent keeps them in a log.
- Exit status: 0 after `Finished` or `Stopped`, otherwise the error's exit code.

`-P` keeps the current folder out of the import path: a user's `torch.py` there must not pass for torch.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
import traceback

from unikeras import faults, orders, stopping
from unikeras.errors import UnikerasError, WorkerError
from unikeras.events import Alive, Emit, Event, Failed, Finished, Job, Stopped

ALIVE_SECONDS = 5.0  # between two signs of life

_is_over = threading.Event()  # the job is done: a parent that now says no more has no need of this process, which ends in order


def main() -> int:
    """Does one job."""
    for descriptor in map(int, sys.argv[1:]):
        os.set_inheritable(descriptor, False)  # a process started by a model file must not keep the pipe or the lock open
    faults.arm(os.environ.get(faults.VARIABLE))
    job = Job.decode(sys.stdin.readline())
    threading.Thread(target=_listen, daemon=True).start()
    with os.fdopen(int(sys.argv[1]), "w", encoding="utf-8", buffering=1) as pipe:
        turn = threading.Lock()

        def emit(event: Event) -> None:
            with turn:
                pipe.write(event.encode() + "\n")

        def emit_last(event: Event) -> None:
            _is_over.set()
            emit(event)

        threading.Thread(target=_show_life, args=(emit,), daemon=True).start()
        try:
            emit_last(Finished(_do(job, emit)))
            return 0
        except stopping.StopRequested as stop:
            emit_last(Stopped(stop.epoch, stop.step))
            return 0
        except UnikerasError as error:
            traceback.print_exc()
            emit_last(Failed(error.to_dict()))
            return error.exit_code


def _do(job: Job, emit: Emit) -> object:
    """The job's result; errors outside of our tree become one of it, with their traceback as details."""
    from unikeras import jobs

    try:
        return jobs.JOBS[job.kind](emit=emit, **job.arguments)
    except stopping.StopRequested:
        raise
    except UnikerasError as error:
        error.details = error.details or traceback.format_exc()
        raise
    except BrokenPipeError:
        os._exit(1)  # the parent is gone
    except Exception as error:  # whatever it is, the parent has to be told
        reason = " ".join(str(error).split())[:500]
        raise WorkerError(f"{type(error).__name__}: {reason}", details=traceback.format_exc()) from error


def _listen() -> None:
    """Heeds what the parent says; its silence, when the pipe closes, means that it is gone."""
    for line in sys.stdin:
        if line == "stop\n":
            stopping.requested.set()
        else:
            orders.received.put(line.rstrip("\n"))
    if not _is_over.is_set():
        os._exit(1)


def _show_life(emit: Emit) -> None:
    while True:
        time.sleep(ALIVE_SECONDS)
        try:
            emit(Alive())
        except (OSError, ValueError):  # the pipe is closed, by either side: the process is about to end
            return


if __name__ == "__main__":
    status = main()
    # Not sys.exit: the thread that waits on standard input would disturb the interpreter's shutdown, and the frameworks'
    # own clearing up takes up to a second that nobody gains from. Their exit functions are run: torch ends in one of them the
    # processes that compile for it, and a model file may have its own. Temporary files are the launcher's to remove.
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
