"""Main side: a backend's process, from its start to its end, whichever that is."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import execnet

from unikeras.backends import BACKENDS
from unikeras.errors import WorkerError
from unikeras.launcher import child_environment, how_it_ended
from unikeras.pytest_plugin.messages import Request, Start

Message = tuple[str, Any]

INTERRUPT_SECONDS = 5.0  # for fixtures to clear up after Ctrl-C, before their process is killed
LAST_WORDS = 8_000  # characters: room for the traces of some threads that faulthandler writes

_SYS_PATH = list(sys.path)  # before conftest files change it

_RUN = """
import sys
sys.path[:] = channel.receive()
from unikeras.pytest_plugin.worker import main
main(channel)
"""


class BackendProcess:
    """The process of one backend. It starts and collects in the background.

    Args:
        group: Where execnet keeps its processes.
        environment: Of the main process.
    """

    def __init__(self, start: Start, group: execnet.Group, environment: Mapping[str, str]) -> None:
        self.ready = False  # tests are collected, and one may have run
        self._name = f"The process of backend {start['backend']!r}"
        self._log = Path(start["log"]) if start["log"] else None
        self._ending = False
        # torch's threads wait for each other badly on a busy machine, and tests are small: one, unless the user wants more.
        threads = None if "OMP_NUM_THREADS" in environment else 1
        with _as_own_environment(child_environment(BACKENDS[start["backend"]], threads, environment)):
            self._gateway = group.makegateway("popen//execmodel=main_thread_only")  # the thread that frameworks expect
        pid_channel = self._gateway.remote_exec("import os; channel.send(os.getpid())")
        self._pid: int = pid_channel.receive()
        pid_channel.waitclose()
        self._channel = self._gateway.remote_exec(_RUN)
        self._channel.send(_SYS_PATH)
        self._channel.send(start)

    def wait_until_ready(self) -> None:
        """Returns when its tests are collected.

        Raises:
            WorkerError: it ended before that, as a new one would.
        """
        if not self.ready:
            for _ in self._until("ready", "could not collect its tests"):
                pass
            self.ready = True

    def run(self, request: Request) -> Iterator[Message]:
        """Runs a test, and yields what the process says meanwhile, up to its `done`.

        Raises:
            WorkerError: it ended instead.
        """
        if self._log:
            os.truncate(self._log, 0)  # so that it has this test's last words, should there be any
        self._send(request, "died before this test, after the one it ran last")
        yield from self._until("done", "died while it ran this test")

    def stop(self) -> None:
        """Ends its session, with all that plugins and fixtures do at the end of one.

        Raises:
            WorkerError: it ended before that.
        """
        if self.ready:
            what = "died after its last test"
            self._send(None, what)
            for _ in self._until("finished", what):
                pass
            self._gateway.exit()
        else:  # nothing is set up yet
            os.kill(self._pid, signal.SIGKILL)

    def interrupt(self) -> None:
        """Ends its test at once. Its fixtures clear up, as long as that takes no more than some seconds."""
        deadline = time.monotonic() + INTERRUPT_SECONDS
        if not self._ending:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGINT)
        with contextlib.suppress(EOFError, OSError, execnet.RemoteError):  # its TimeoutError is an OSError
            while self._channel.receive(max(0.0, deadline - time.monotonic()))[0] != "finished":
                pass

    def _send(self, request: Request | None, what: str) -> None:
        try:
            self._channel.send(request)
        except OSError:
            raise self._died(what, self._how_it_died()) from None

    def _until(self, last: str, what: str) -> Iterator[Message]:
        """Messages up to the one called `last`; `what` it means if that never comes."""
        kind = ""
        while kind != last:
            try:
                kind, content = self._channel.receive()
            except EOFError:
                raise self._died(what, self._how_it_died()) from None
            except execnet.RemoteError as error:
                raise self._died(what, f"an error in this plugin:\n{error}") from None
            if kind == "broken":
                raise self._died(what, f"an error in pytest or a plugin:\n{content}")
            if kind == "finished" and last != "finished":
                raise self._died(what, "its pytest session ended")
            self._ending = self._ending or kind in ("exit", "interrupt")
            yield kind, content

    def _died(self, what: str, how: str) -> WorkerError:
        printed = self._log.read_text(encoding="utf-8", errors="replace").strip() if self._log else ""
        last_words = f"Its last words, outside of pytest's capture:\n{printed[-LAST_WORDS:]}" if printed else ""
        return WorkerError(f"{self._name} {what}: {how}", cure=last_words)

    def _how_it_died(self) -> str:
        """Its exit status, which follows the end of the connection. execnet keeps it to itself."""
        deadline = time.monotonic() + INTERRUPT_SECONDS
        while time.monotonic() < deadline:
            pid, status = os.waitpid(self._pid, os.WNOHANG)
            if pid:
                return how_it_ended(os.waitstatus_to_exitcode(status))
            time.sleep(0.01)
        os.kill(self._pid, signal.SIGKILL)
        return "it closed its connection to pytest, so it was killed"


@contextlib.contextmanager
def _as_own_environment(environment: Mapping[str, str]) -> Iterator[None]:
    """A process inherits its environment: execnet can set variables only later, which is too late for an allocator's."""
    own = dict(os.environ)
    try:
        os.environ.clear()
        os.environ.update(environment)
        yield
    finally:
        os.environ.clear()
        os.environ.update(own)
