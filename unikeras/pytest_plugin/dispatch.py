"""Main side: sends marked tests to their backends' processes, and reports them as if they had run here."""

from __future__ import annotations

import importlib.util
import time
import warnings
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Literal

import pytest

from unikeras.errors import WorkerError
from unikeras.pytest_plugin import MARKER
from unikeras.pytest_plugin.fixtures_left import tear_down_unless_needed_by
from unikeras.pytest_plugin.messages import Request, address, warning_from_data
from unikeras.pytest_plugin.selection import backend_of

if TYPE_CHECKING:
    from unikeras.pytest_plugin.pool import Pool


def register(session: pytest.Session) -> None:
    """Makes the session send its marked tests away, unless it is the one that they are sent to.

    Raises:
        pytest.UsageError: that can't be done.
    """
    if "unikeras_backend" in getattr(session.config, "workerinput", {}):
        return
    if importlib.util.find_spec("execnet") is None:
        raise pytest.UsageError(
            f"Tests marked {MARKER} need execnet, which is not installed here. pip install 'unikeras[pytest]'"
        )
    if session.config.option.usepdb:
        raise pytest.UsageError(
            f"--pdb can't be used for tests marked {MARKER}: their processes have no terminal. "
            f"Leave it out, or leave them out with -m 'not {MARKER}'."
        )
    from unikeras.pytest_plugin.pool import Pool  # imports execnet

    files: dict[str, dict[str, None]] = {}
    for item in session.items:
        if backend := backend_of(item):
            files.setdefault(backend, {})[str(item.path)] = None
    pool = Pool(session.config, {backend: [*paths] for backend, paths in files.items()})
    session.config.pluginmanager.register(Dispatcher(session, pool))


class Dispatcher:
    """The plugin of the main process."""

    def __init__(self, session: pytest.Session, pool: Pool) -> None:
        self._session, self._pool = session, pool
        # Another process decides the order if this is one of pytest-xdist's: nothing is known ahead.
        self._knows_order = not hasattr(session.config, "workerinput")
        self._following: dict[pytest.Item, pytest.Item | None] = {}  # the next test in the same process
        first: dict[str | None, pytest.Item] = {}
        for item in reversed(session.items):
            self._following[item] = first.get(backend_of(item))
            first[backend_of(item)] = item

    @pytest.hookimpl(wrapper=True, trylast=True)  # inside of pytest-cov's, which then collects what processes have measured
    def pytest_runtestloop(self) -> Generator[None, object, object]:
        interrupted = False
        # coverage.py says so of the main process, and doesn't know of the others.
        warnings.filterwarnings("ignore", r"(Module .+ was never imported|No data was collected)\.")
        try:
            if self._knows_order:
                self._pool.start_ahead()
            return (yield)
        except (KeyboardInterrupt, pytest.exit.Exception):
            interrupted = True
            raise
        finally:
            self._pool.close(interrupted)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> bool | None:
        backend = backend_of(item)
        if backend is None:
            return None
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        self._run(item, backend)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    def _run(self, item: pytest.Item, backend: str) -> None:
        called = False
        following = self._following[item]
        request = Request(
            test=address(item),
            following=address(following) if following else None,
            failures=self._session.testsfailed,
        )
        try:
            process = self._pool.ready(backend)
            if self._knows_order:
                self._pool.start_ahead(after=backend)
            for kind, content in process.run(request):
                called = called or (kind == "report" and content["when"] == "call")
                self._pass_on(item, kind, content)
            if following is None:
                self._pool.stop(backend)
        except WorkerError as error:
            self._pool.discard(backend)
            item.ihook.pytest_runtest_logreport(report=_failure(item, "teardown" if called else "call", str(error)))

    def _pass_on(self, item: pytest.Item, kind: str, content: Any) -> None:
        """Does here what a message says that happened there."""
        if kind == "report":
            report = item.config.hook.pytest_report_from_serializable(config=item.config, data=content)
            report.nodeid, report.location = item.nodeid, item.location
            item.ihook.pytest_runtest_logreport(report=report)
        elif kind == "warning":
            warning = {"warning_message": warning_from_data(content), "when": "runtest", "nodeid": item.nodeid, "location": None}
            item.ihook.pytest_warning_recorded.call_historic(kwargs=warning)
        elif kind == "exit":
            pytest.exit(*content)
        elif kind == "interrupt":
            raise KeyboardInterrupt
        elif kind == "done" and content:
            self._session.shouldstop = content

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        tear_down_unless_needed_by(item, self._session)

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_teardown(self, item: pytest.Item, nextitem: pytest.Item | None) -> None:
        if nextitem is not None and backend_of(nextitem):
            tear_down_unless_needed_by(self._following[item], self._session)

    @pytest.hookimpl(tryfirst=True, optionalhook=True)
    def pytest_timeout_set_timer(self, item: pytest.Item) -> bool | None:
        """pytest-timeout watches the test where it runs, where it can show what it waits for."""
        return True if backend_of(item) else None


def _failure(item: pytest.Item, when: Literal["call", "teardown"], text: str) -> pytest.TestReport:
    now = time.time()
    keywords: dict[str, Literal[1]] = dict.fromkeys(item.keywords, 1)
    return pytest.TestReport(item.nodeid, item.location, keywords, "failed", text, when, start=now, stop=now)
