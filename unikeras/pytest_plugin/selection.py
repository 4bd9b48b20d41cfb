"""Which backends a test runs on, and which test runs in which backend's process."""

from __future__ import annotations

import pytest

from unikeras import backends
from unikeras.backends import BackendInfo
from unikeras.errors import BackendError
from unikeras.pytest_plugin import MARKER

_SELECTED = pytest.StashKey[list[BackendInfo]]()


def selected(config: pytest.Config) -> list[BackendInfo]:
    """The backends that `--backends` means.

    Raises:
        pytest.UsageError: one of them is unknown or not installed.
    """
    if _SELECTED not in config.stash:
        try:
            config.stash[_SELECTED] = backends.select(config.getoption("backends"))
        except BackendError as error:
            raise pytest.UsageError(f"--backends: {error}") from None
    return config.stash[_SELECTED]


def parametrize(metafunc: pytest.Metafunc, marker: pytest.Mark) -> None:
    """Makes a marked test one test per backend."""
    uses_keras = _uses_keras(marker)
    names = [info.name for info in selected(metafunc.config) if uses_keras in (None, info.uses_keras)]
    if "backend" not in metafunc.fixturenames:  # a test needs no argument for what it doesn't look at
        metafunc.fixturenames.append("backend")
    metafunc.parametrize("backend", names, indirect=True, scope="session")


def _uses_keras(marker: pytest.Mark) -> bool | None:
    uses_keras = marker.kwargs.get("uses_keras")
    if marker.args or marker.kwargs.keys() - {"uses_keras"} or uses_keras not in (None, True, False):
        received = [*map(repr, marker.args), *(f"{name}={value!r}" for name, value in marker.kwargs.items())]
        pytest.fail(
            f"{MARKER}({', '.join(received)}): the marker takes uses_keras=True or uses_keras=False, or nothing. "
            "Choose backends by name with the option --backends.",
            pytrace=False,
        )
    return uses_keras


def backend_of(item: pytest.Item) -> str | None:
    """Name of the backend in whose process a test runs; None for the main process.

    Raises:
        pytest.UsageError: the test is marked, but is of a kind that pytest can't repeat.
    """
    if item.get_closest_marker(MARKER) is None:
        return None
    if not hasattr(item, "callspec"):
        raise pytest.UsageError(
            f"{item.nodeid} is marked {MARKER}, but can't be run once per backend, because pytest doesn't parametrise "
            f"a {type(item).__name__}. Write it as a function, or as a method of a class that is no unittest.TestCase."
        )
    name = item.callspec.params["backend"]
    return name if isinstance(name, str) else None  # none is left of --backends: pytest's own skipped placeholder


def sort_by_backend(items: list[pytest.Item]) -> None:
    """Unmarked tests first, then one backend after the other.

    In the files' order, every backend's process would stay alive from the first file to the last. Grouped, a process ends
    before the next backend's tests begin, so that memory, and a GPU that a framework takes all for itself, hold one at a time.
    """
    order = {name: index for index, name in enumerate(backends.BACKENDS)}
    items.sort(key=lambda item: order.get(backend_of(item) or "", -1))
