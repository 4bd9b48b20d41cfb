"""Main side: all backends' processes, one each. Started when needed, replaced when dead."""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
import sys
import tempfile
import types
import uuid
from pathlib import Path
from typing import Any

import execnet
import pytest

from unikeras.errors import WorkerError
from unikeras.pytest_plugin.messages import Start
from unikeras.pytest_plugin.processes import BackendProcess

EXIT_SECONDS = 10.0  # for processes whose session is over; frameworks take up to one
KILL_SECONDS = 1.0  # for those that were interrupted, which had their time


class Pool:
    """The processes of a session.

    Args:
        files: For each backend its test files, in the order in which backends have their turn.
    """

    def __init__(self, config: pytest.Config, files: dict[str, list[str]]) -> None:
        self._config, self._files = config, files
        self._environment = dict(os.environ)
        self._group = execnet.Group()
        self._processes: dict[str, BackendProcess] = {}
        self._unusable: dict[str, WorkerError] = {}
        self._known: set[str] = set()  # backends that have or had a process
        self._counter = itertools.count(1)
        self._folder = tempfile.TemporaryDirectory(prefix="unikeras-pytest-")
        self._run_id = uuid.uuid4().hex

    def start_ahead(self, after: str | None = None) -> None:
        """Starts the process of the backend whose turn is next, so that it is ready when the turn comes."""
        order = [*self._files]
        turn = order.index(after) + 1 if after else 0
        # In an order that --failed-first and the like bring about, it can have had its turn already.
        if turn < len(order) and order[turn] not in self._known:
            self._processes[order[turn]] = self._start(order[turn])

    def ready(self, backend: str) -> BackendProcess:
        """The process of a backend, ready to run a test.

        Raises:
            WorkerError: it never becomes ready.
        """
        if backend in self._unusable:
            raise self._unusable[backend]
        if backend not in self._processes:
            self._processes[backend] = self._start(backend)
        process = self._processes[backend]
        try:
            process.wait_until_ready()
        except WorkerError as error:
            self._unusable[backend] = error
            raise
        return process

    def stop(self, backend: str) -> None:
        """Ends the process of a backend whose tests are over."""
        self._processes.pop(backend).stop()

    def discard(self, backend: str) -> None:
        """Forgets a process that died."""
        self._processes.pop(backend, None)

    def close(self, interrupted: bool) -> None:
        """Ends all processes. None is left when this returns, even if it is interrupted itself."""
        try:
            for process in self._processes.values():
                with contextlib.suppress(WorkerError):  # some test has failed already, or this would not be left to do
                    process.interrupt() if interrupted else process.stop()
        finally:
            self._group.terminate(KILL_SECONDS if interrupted else EXIT_SECONDS)
            self._folder.cleanup()

    def _start(self, backend: str) -> BackendProcess:
        self._known.add(backend)
        number = next(self._counter)
        # Without pytest's capturing of file descriptors, what is printed belongs on the terminal.
        captured = self._config.getoption("capture") == "fd"
        start = Start(
            backend=backend,
            arguments=self._arguments(),
            folder=str(self._config.invocation_params.dir),
            files=self._files[backend],
            basetemp=self._basetemp(f"{backend}-{number}"),
            log=str(Path(self._folder.name) / f"{number}.log") if captured else None,
            workerinput=self._workerinput(backend),
        )
        return BackendProcess(start, self._group, self._environment)

    def _arguments(self) -> list[str]:
        arguments = [str(argument) for argument in self._config.invocation_params.args]
        if self._config.pluginmanager.has_plugin("_cov"):  # pytest-cov would delete what other processes have measured
            arguments.insert(0, "--cov-append")
        return arguments

    def _basetemp(self, name: str) -> str | None:
        factory = getattr(self._config, "_tmp_path_factory", None)
        return str(factory.getbasetemp() / name) if factory else None

    def _workerinput(self, backend: str) -> dict[str, Any]:
        """What tells plugins that they don't run in the main process, by pytest-xdist's protocol, which many of them know."""
        outer: dict[str, Any] = getattr(self._config, "workerinput", {})
        workerinput = {
            "workercount": len(self._files),
            "testrunuid": self._run_id,
            "mainargv": sys.argv,
            "cov_master_host": socket.gethostname(),
            "cov_master_topdir": str(self._config.invocation_params.dir),
            **outer,
            "workerid": f"{outer['workerid']}-{backend}" if outer else backend,
            "unikeras_backend": backend,
        }
        if not outer and hasattr(self._config.hook, "pytest_configure_node"):
            plugins = self._config.pluginmanager
            # pytest-cov expects xdist's own processes there, and adds no more than is above.
            configure_node = plugins.subset_hook_caller("pytest_configure_node", [plugins.get_plugin("_cov")])
            gateway = types.SimpleNamespace(id=workerinput["workerid"])
            configure_node(node=types.SimpleNamespace(config=self._config, gateway=gateway, workerinput=workerinput))
        return workerinput
