"""pytest plugin: a test marked `each_backend` runs once for each backend, in a process with that backend's environment.

pytest loads this file in every run of everyone who has unikeras installed. So it imports nothing but pytest; the rest is
imported when the first marked test is collected. How a test gets there:

    main process                                      one process per backend
    collects all, with an id per backend              collects the files with tests of its backend
    selects (-k, -m, --lf, …) and sorts by backend
    dispatch.py: sends a test's address           →   worker.py: runs it, with fixtures, capture and plugins of its own
                 reports it as if it had run here  ←             sends reports and warnings

`processes.py` starts, ends and loses those processes, `messages.py` has what crosses, `selection.py` says who runs where.
"""

from __future__ import annotations

import pytest

MARKER = "each_backend"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("unikeras").addoption(
        "--backends",
        default="all",
        metavar="NAMES",
        help=f"backends that tests marked {MARKER} run on, separated by commas; all (default): every installed one",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        f"{MARKER}(uses_keras=None): run the test once for each of --backends, in a process of that backend; "
        "uses_keras=True leaves out native backends, uses_keras=False leaves out Keras ones.",
    )
    if config.getoption("backends") != "all":  # a wrong name is an error even if no test is marked
        from unikeras.pytest_plugin.selection import selected

        selected(config)


@pytest.fixture(scope="session")
def backend(request: pytest.FixtureRequest) -> str:
    """Name of the backend in whose process the test runs, for tests marked each_backend."""
    if not hasattr(request, "param"):
        pytest.fail(f"The fixture 'backend' is for tests marked {MARKER}. Add @pytest.mark.{MARKER} to the test.", pytrace=False)
    name: str = request.param
    return name


@pytest.hookimpl(tryfirst=True)  # so that the backend comes first in the test's id
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    marker = metafunc.definition.get_closest_marker(MARKER)
    if marker is not None:
        from unikeras.pytest_plugin.selection import parametrize

        parametrize(metafunc, marker)


@pytest.hookimpl(trylast=True)  # after the sorting and selecting of others
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if any(item.get_closest_marker(MARKER) for item in items):
        from unikeras.pytest_plugin.selection import sort_by_backend

        sort_by_backend(items)


def pytest_collection_finish(session: pytest.Session) -> None:
    if not session.config.option.collectonly and any(item.get_closest_marker(MARKER) for item in session.items):
        from unikeras.pytest_plugin.dispatch import register

        register(session)
