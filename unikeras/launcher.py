"""Parent side of the process boundary: the worker's environment, its start, its events, its end. `worker.py` has the contract."""

from __future__ import annotations

import contextlib
import os
import platform
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from unikeras import faults
from unikeras.backends import BackendInfo
from unikeras.errors import UnikerasError, WorkerDiedError, WorkerError
from unikeras.events import Alive, Event, Failed, Finished, Job, Stopped
from unikeras.interruption import Interruption, StopSignals, StopSwitch

LOG_LINES = 20  # of the log's end that go with the error of a worker that died

# A worker that lives says so every 5 s, from a thread of its own. Only an import or a compilation that never lets Python's other
# threads run keeps it from that: for seconds, or a minute perhaps on a slow disk. One that is silent for longer hangs.
SILENT_SECONDS = 300.0

# Activations of some megabytes are mapped and unmapped at every step, and the page faults cost more than the arithmetic: glibc is
# told to keep them. `benchmarks/environment.py` measures what it is worth.
ALLOCATOR = {
    "MALLOC_MMAP_THRESHOLD_": "2147483647",
    "MALLOC_TRIM_THRESHOLD_": "4294967295",
    "MALLOC_TOP_PAD_": "268435456",
}

# TensorFlow has oneDNN's kernels on board, and uses them unasked only on processors with AVX-512 and newer instructions. With
# AVX2 they are faster, too (`benchmarks/environment.py`).
ONEDNN = {"TF_ENABLE_ONEDNN_OPTS": "1"} if platform.machine() in ("x86_64", "AMD64") else {}

# TensorFlow makes the descriptions of many of these kernels anew at each call, to save their memory, unless told to keep them.
PRIMITIVES = {"TF_MKL_OPTIMIZE_PRIMITIVE_MEMUSE": "0"}

TUNING = ALLOCATOR | ONEDNN | PRIMITIVES  # a value that the user has set is left alone


def child_environment(backend: BackendInfo | None, threads: int | None, parent: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Environment of a worker: everything that has to be decided before a framework is imported.

    Args:
        backend: What will run there; None where no framework is needed.
        threads: CPU threads, or None for the framework's own choice.
    """
    settings = {name for name in parent if name.startswith("UNIKERAS_")} - {faults.VARIABLE}
    environment = {name: value for name, value in parent.items() if name not in settings}
    environment = TUNING | environment
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


def run_job(
    job: Job,
    environment: Mapping[str, str],
    log: Path,
    on_event: Callable[[Event], None],
    lock: int | None = None,
    stop: StopSwitch | None = None,
) -> Any:
    """Does `job` in a worker of its own, passes its events on, and returns its result.

    Whatever ends the wait, an error or Ctrl-C, the worker is gone when this returns.

    Args:
        lock: Descriptor of a run folder's lock, for a training. A training stops when asked: the first Ctrl-C or SIGTERM asks it,
            the second ends it at once.
        stop: By which another thread may stop it.

    Raises:
        UnikerasError: what the worker reported; a `WorkerDiedError` if it died without a word or fell silent.
        KeyboardInterrupt: Ctrl-C; an `Interruption` if the training has stopped as asked.
    """
    with _worker(environment, log, lock) as (process, events):
        _say(process, job.encode())
        switch = stop or StopSwitch()
        switch.connect(process)
        with StopSignals(switch, heeded=lock is not None) as signals:
            for line in _lines(events):
                event = Event.decode(line)
                if isinstance(event, (Finished, Stopped)) and switch.asked:
                    raise Interruption(signals.received or signal.SIGINT, event if isinstance(event, Stopped) else None)
                if isinstance(event, Finished):
                    return event.result
                if isinstance(event, Failed):
                    raise UnikerasError.from_dict(event.error)
                on_event(event)
        raise _death(process, log, asked_to_stop=switch.asked)


class Conversation:
    """A worker that is told what to do next, again and again."""

    def __init__(self, process: subprocess.Popen[str], events: int, log: Path) -> None:
        self._process, self._lines, self._log = process, _lines(events), log

    def say(self, order: str) -> None:
        """Gives it an order: see `unikeras.orders`."""
        _say(self._process, order)

    def hear(self) -> Event:
        """Its next event, other than a sign of life.

        Raises:
            UnikerasError: what it reported; a `WorkerDiedError` if it died without a word or fell silent.
        """
        for line in self._lines:
            event = Event.decode(line)
            if isinstance(event, Failed):
                raise UnikerasError.from_dict(event.error)
            if not isinstance(event, Alive):
                return event
        raise _death(self._process, self._log, asked_to_stop=False)


@contextlib.contextmanager
def conversation(job: Job, environment: Mapping[str, str], log: Path) -> Iterator[Conversation]:
    """Starts a job in a worker of its own and lets the caller talk with it; the worker is gone when this ends."""
    with _worker(environment, log, lock=None) as (process, events):
        _say(process, job.encode())
        yield Conversation(process, events, log)


def _say(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError):  # it has died; its exit status says more
        process.stdin.write(line + "\n")
        process.stdin.flush()


@contextlib.contextmanager
def _worker(environment: Mapping[str, str], log: Path, lock: int | None) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A worker with a folder of its own for temporary files, which frameworks leave behind where they are killed."""
    with (
        tempfile.TemporaryDirectory(prefix="unikeras-", ignore_cleanup_errors=True) as temporary,
        _process({**environment, "TMPDIR": temporary}, log, lock) as started,
    ):
        yield started


@contextlib.contextmanager
def _process(environment: Mapping[str, str], log: Path, lock: int | None) -> Iterator[tuple[subprocess.Popen[str], int]]:
    read_fd, write_fd = os.pipe()
    passed = [write_fd] if lock is None else [write_fd, lock]
    command = [sys.executable, "-P", "-m", "unikeras.worker", *map(str, passed)]
    try:
        with log.open("ab") as output:
            try:
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=output,
                    env=environment,
                    pass_fds=passed,
                    start_new_session=True,  # Ctrl-C goes to the parent, which decides
                    text=True,
                )
            finally:
                os.close(write_fd)
        try:
            yield process, read_fd
        finally:
            _end(process)
    finally:
        os.close(read_fd)


def _lines(descriptor: int) -> Iterator[str]:
    """Lines from a pipe, until it is closed or nothing has come for `SILENT_SECONDS`."""
    pending = b""
    while select.select([descriptor], [], [], SILENT_SECONDS)[0]:
        received = os.read(descriptor, 1 << 16)
        if not received:
            return
        *lines, pending = (pending + received).split(b"\n")
        yield from (line.decode() for line in lines)


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


def _death(process: subprocess.Popen[str], log: Path, asked_to_stop: bool) -> WorkerError:
    """The error of a worker whose events have ended without a last one; one that was to stop is not to be started again."""
    try:
        how = "died: " + how_it_ended(process.wait(timeout=1))
    except subprocess.TimeoutExpired:
        process.kill()
        how = f"gave no sign of life for {SILENT_SECONDS:.0f} s, and was ended"
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    tail = "\n".join(lines[-LOG_LINES:]) or "(it printed nothing)"
    kind = WorkerError if asked_to_stop else WorkerDiedError
    return kind(f"The worker process {how}.", cure=f"The end of its log, {log}:\n{tail}")


def how_it_ended(status: int) -> str:
    """A process' exit status in words; negative ones are signals, as in `subprocess`."""
    if status >= 0:
        return f"exit status {status}"
    name = signal.Signals(-status).name
    if -status == signal.SIGKILL:
        name += ", which is what Linux sends when memory runs out (then a smaller --batch-size may help)"
    return name
