"""What crosses between the main process and a backend's process, as the built-in types that execnet carries.

To the process, first a `Start`, then for each test a `Request`; None ends it. From the process, pairs of a kind and its content:

    ready      None: tests are collected, requests are welcome
    report     a test report as pytest serialises it
    warning    a warning that the test raised, as `warning_to_data` has it
    done       None or why the session should stop; the last message for a request
    interrupt  None: a KeyboardInterrupt ended the session there
    exit       reason and exit code: pytest.exit() was called there
    broken     traceback of an error in pytest or a plugin there
    finished   None: the session there is over; always the last message
"""

from __future__ import annotations

import sys
import warnings
from typing import Any, TypedDict

import pytest

Address = tuple[str, str]


class Start(TypedDict):
    """What a process has to know before the first test.

    Attributes:
        backend: Its backend's name.
        arguments: pytest's command line.
        folder: Where pytest was called.
        files: What to collect, instead of the files named on the command line.
        basetemp: Folder for the temporary folders of tests; None leaves the choice to pytest.
        log: File for what is printed outside of tests; None to print it on the terminal.
        workerinput: What plugins that know pytest-xdist find as `config.workerinput`.
    """

    backend: str
    arguments: list[str]
    folder: str
    files: list[str]
    basetemp: str | None
    log: str | None
    workerinput: dict[str, Any]


class Request(TypedDict):
    """One test to run.

    Attributes:
        test: Its address.
        following: The address of the one that probably comes next: its fixtures stay. None: all are torn down.
        failures: How many tests of the whole session failed, for --maxfail.
    """

    test: Address
    following: Address | None
    failures: int


def address(item: pytest.Item) -> Address:
    """Where a test stands: its file, and the names below it. Unlike the node id, no plugin and no option changes it."""
    inside = [node.name for node in item.listchain() if not isinstance(node, pytest.Session | pytest.Directory | pytest.File)]
    return str(item.path), "::".join(inside)


def warning_to_data(warning: warnings.WarningMessage) -> dict[str, Any]:
    return {
        "message": str(warning.message),
        "category": (warning.category.__module__, warning.category.__qualname__),
        "filename": warning.filename,
        "lineno": warning.lineno,
    }


def warning_from_data(data: dict[str, Any]) -> warnings.WarningMessage:
    """The warning, as far as it is printed. Its category is looked up, not imported: that could be a framework."""
    module, name = data["category"]
    category = getattr(sys.modules.get(module), name, None) or type(name, (Warning,), {"__module__": module})
    return warnings.WarningMessage(category(data["message"]), category, data["filename"], data["lineno"])
