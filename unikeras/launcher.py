"""Parent side of the process boundary: the worker's environment, its start, its events, its end. `worker.py` has the contract."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from unikeras.backends import BackendInfo
from unikeras.errors import UnikerasError, WorkerError
from unikeras.events import Event, Failed, Finished, Job

LOG_LINES = 20  # of the log's end that go with the error of a worker that died

# Activations of some megabytes are mapped and unmapped at every step, and the page faults cost more than the arithmetic: glibc is
# told to keep them. `benchmarks/allocator.py` measures what it is worth.
ALLOCATOR = {
    "MALLOC_MMAP_THRESHOLD_": "2147483647",
    "MALLOC_TRIM_THRESHOLD_": "4294967295",
    "MALLOC_TOP_PAD_": "268435456",
}


def child_environment(backend: BackendInfo | None, threads: int | None, parent: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Environment of a worker: everything that has to be decided before a framework is imported.

    Args:
        backend: What will run there; None where no framework is needed.
        threads: CPU threads, or None for the framework's own choice.
    """
    environment = {name: value for name, value in parent.items() if not name.startswith("UNIKERAS_")}
    environment.update(ALLOCATOR)
    environment |= {"TF_CPP_MIN_LOG_LEVEL": "2", "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"}
    if backend is not None and backend.uses_keras:
        environment["KERAS_BACKEND"] = backend.framework
    else:
        environment.pop("KERAS_BACKEND", None)
    if backend is None:
        environment["CUDA_VISIBLE_DEVICES"] = ""  # preparing data must not take the memory of a GPU
    if threads:
        environment |= {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    return environment


def run_job(job: Job, environment: Mapping[str, str], log: Path, on_event: Callable[[Event], None]) -> Any:
    """Does `job` in a worker of its own, passes its events on, and returns its result.

    Whatever ends the wait, an error or Ctrl-C, the worker is gone when this returns.

    Raises:
        UnikerasError: what the worker reported; a `WorkerError` if it died without a word.
    """
    with _worker(environment, log) as (process, events):
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it died at once; its exit status says more
            process.stdin.write(job.encode() + "\n")
            process.stdin.flush()
        for line in events:
            event = Event.decode(line)
            if isinstance(event, Finished):
                return event.result
            if isinstance(event, Failed):
                raise UnikerasError.from_dict(event.error)
            on_event(event)
        process.wait()
        raise _death(process.returncode, log)


@contextlib.contextmanager
def _worker(environment: Mapping[str, str], log: Path) -> Iterator[tuple[subprocess.Popen[str], Iterator[str]]]:
    read_fd, write_fd = os.pipe()
    command = [sys.executable, "-P", "-m", "unikeras.worker", str(write_fd)]
    with log.open("ab") as output, os.fdopen(read_fd, encoding="utf-8") as events:
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                env=environment,
                pass_fds=(write_fd,),
                start_new_session=True,  # Ctrl-C goes to the parent, which decides
                text=True,
            )
        finally:
            os.close(write_fd)
        try:
            yield process, events
        finally:
            _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    """Lets the worker end by closing its input; kills it if it doesn't."""
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _death(status: int, log: Path) -> WorkerError:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    tail = "\n".join(lines[-LOG_LINES:]) or "(it printed nothing)"
    return WorkerError(f"The worker process died: {how_it_ended(status)}.", cure=f"The end of its log, {log}:\n{tail}")


def how_it_ended(status: int) -> str:
    """A process' exit status in words; negative ones are signals, as in `subprocess`."""
    if status >= 0:
        return f"exit status {status}"
    hint = ", which is what Linux sends when memory runs out" if -status == signal.SIGKILL else ""
    return signal.Signals(-status).name + hint
