"""Child side: a pytest session in a backend's process, which runs the tests it is asked for. `messages.py` has the contract."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import warnings
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TextIO

import execnet
import pytest

from unikeras.pytest_plugin.fixtures_left import tear_down_unless_needed_by
from unikeras.pytest_plugin.messages import Address, Request, Start, address, warning_to_data

# Options that the main process has obeyed already: what tests put into pytest's cache stays there, and xdist starts nothing here.
MAIN_ONLY: dict[str, object] = {"cacheclear": False, "dist": "no"}


def main(channel: execnet.Channel) -> None:
    """Runs a session. The main process calls it by execnet."""
    start: Start = channel.receive()
    os.setsid()  # Ctrl-C goes to the main process, which decides
    os.chdir(start["folder"])
    _send_output_to(start["log"])
    worker = Worker(channel, start)
    pytest.main(start["arguments"], plugins=[worker])
    worker.tell("finished")


def _send_output_to(log: str | None) -> None:
    """Standard output and error go to the log; without one, to where standard error leads, as execnet needs the other."""
    output = 2 if log is None else os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for descriptor in (1, 2):
        os.dup2(output, descriptor)


class _Nowhere(io.TextIOBase):
    """A file for what only the main process has to print."""

    def write(self, text: str) -> int:
        return len(text)


class Worker:
    """The plugin that makes a pytest session take its tests from the main process and report there."""

    def __init__(self, channel: execnet.Channel, start: Start) -> None:
        self._channel, self._start = channel, start
        self._items: dict[Address, pytest.Item] = {}
        self._uncollected: dict[Path, pytest.CollectReport] = {}
        self._stdout: TextIO = sys.stdout
        self._config: pytest.Config

    @pytest.hookimpl(tryfirst=True)
    def pytest_cmdline_main(self, config: pytest.Config) -> None:
        self._config = config
        changes = {**MAIN_ONLY, "backends": self._start["backend"], "basetemp": self._start["basetemp"]}
        vars(config.option).update({name: value for name, value in changes.items() if hasattr(config.option, name)})
        config.args = self._start["files"]
        config.workerinput = self._start["workerinput"]  # type: ignore[attr-defined]
        config.workeroutput = {}  # type: ignore[attr-defined]

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self) -> None:
        self._stdout, sys.stdout = sys.stdout, _Nowhere()  # for the terminal reporter, which is made next

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        sys.stdout = self._stdout

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(
        self, collector: pytest.Collector
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        report = yield
        if not report.passed:
            self._uncollected[collector.path] = report
        return report

    @pytest.hookimpl(tryfirst=True)  # before any plugin leaves out tests that the main process has chosen
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        self._items = {address(item): item for item in items}

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self.tell("ready")
        for request in self._requests():
            session.testsfailed = request["failures"]
            self._run(request)
            self.tell("done", session.shouldstop or None)
        return True

    def tell(self, kind: str, content: object = None) -> None:
        """Sends a message."""
        with contextlib.suppress(OSError):  # the main process is gone, which the next request that doesn't come shows
            self._channel.send((kind, content))

    def _requests(self) -> Iterator[Request]:
        with contextlib.suppress(EOFError):  # the main process is gone
            while (request := self._channel.receive()) is not None:
                yield request

    def _run(self, request: Request) -> None:
        if request["test"] not in self._items:
            self._config.hook.pytest_runtest_logreport(report=self._absence(request["test"]))
            return
        following = self._items.get(request["following"]) if request["following"] else None
        self._config.hook.pytest_runtest_protocol(item=self._items[request["test"]], nextitem=following)

    def _absence(self, test: Address) -> pytest.TestReport:
        """Report of a test that is not here, with the reason that its file gave when it was collected."""
        file = Path(test[0])
        report = next((self._uncollected[path] for path in (file, *file.parents) if path in self._uncollected), None)
        if report is not None and report.skipped:
            return pytest.TestReport("", (test[0], None, test[1]), {}, "skipped", report.longrepr, "setup")
        reason = (
            f"{test[1]} was collected in the main process, but not in the one of backend {self._start['backend']!r}. "
            "Give it the same parameters and ids whatever the backend is."
        )
        text = reason if report is None else f"In the process of backend {self._start['backend']!r}:\n{report.longreprtext}"
        return pytest.TestReport("", (test[0], None, test[1]), {}, "failed", text, "setup")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        tear_down_unless_needed_by(item, item.session)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        data = self._config.hook.pytest_report_to_serializable(config=self._config, report=report)
        self.tell("report", data)

    def pytest_warning_recorded(self, warning_message: warnings.WarningMessage, when: str) -> None:
        if when == "runtest":  # the others came up in the main process, too
            self.tell("warning", warning_to_data(warning_message))

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        if isinstance(excinfo.value, pytest.exit.Exception):
            self.tell("exit", (str(excinfo.value.msg), excinfo.value.returncode))
        else:
            self.tell("interrupt")

    def pytest_internalerror(self, excrepr: object) -> None:
        self.tell("broken", str(excrepr))
