"""The pytest plugin, by real runs of pytest on small files. Few of them import a framework: which one it is matters to few."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

# Each process that loads it leaves its number. Each fixture and test can leave a note.
CONFTEST = """
import json, os, pathlib
import pytest

HERE = pathlib.Path(__file__).parent
PROCESS = (os.environ.get("KERAS_BACKEND", "none"), os.getpid())

def note(kind, content=None):
    with (HERE / "notes.jsonl").open("a") as file:
        file.write(json.dumps([kind, os.getpid(), content]) + "\\n")

note("conftest")

def pytest_addoption(parser):
    parser.addoption("--greeting", default="none")
"""


class Run:
    """A finished run of pytest.

    Attributes:
        outcomes: By test, in the order in which they ran: passed, skipped, failure (of the test), error (of a fixture).
        notes: What conftest's `note` got, in order: kind, process number, content.
    """

    def __init__(self, folder: Path, finished: subprocess.CompletedProcess[str]) -> None:
        self.code, self.out, self.err = finished.returncode, finished.stdout, finished.stderr
        self.outcomes: dict[str, str] = {}
        if (folder / "junit.xml").exists():
            for case in ET.parse(folder / "junit.xml").iter("testcase"):
                found = [child.tag for child in case if child.tag in ("failure", "error", "skipped")]
                name = str(case.get("name"))  # a test that fails in its body and in its teardown is there twice
                earlier = [self.outcomes[name]] if name in self.outcomes else []
                self.outcomes[name] = " ".join(earlier + (found or ["passed"]))
        notes = folder / "notes.jsonl"
        self.notes: list[list[Any]] = [json.loads(line) for line in notes.read_text().splitlines()] if notes.exists() else []

    def __repr__(self) -> str:
        return f"exit {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"

    def noted(self, kind: str) -> list[Any]:
        return [content for name, _, content in self.notes if name == kind]

    def processes(self, kind: str = "conftest") -> set[int]:
        return {process for name, process, _ in self.notes if name == kind}

    def section(self, title: str) -> str:
        """Of a failed test, what stands under its headline."""
        found = re.search(rf"^_+ {re.escape(title)} _+$(.*?)(?=^[_=]+ .* [_=]+$)", self.out, re.MULTILINE | re.DOTALL)
        assert found, f"no section {title!r} in\n{self.out}"
        return found[1]


class Project:
    """A folder with tests."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.write("conftest.py", CONFTEST)

    def write(self, name: str, code: str) -> None:
        (self.folder / name).write_text(code)

    def append(self, name: str, code: str) -> None:
        (self.folder / name).write_text((self.folder / name).read_text() + code)

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-P", "-m", "pytest", "--junitxml=junit.xml", *arguments]

    def environment(self, **changes: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_", "OMP_"))}
        return kept | {"COLUMNS": "120"} | changes

    def run(self, *arguments: str, **environment: str) -> Run:
        for name in ("junit.xml", "notes.jsonl"):
            (self.folder / name).unlink(missing_ok=True)
        finished = subprocess.run(
            self.command(*arguments),
            capture_output=True,
            text=True,
            cwd=self.folder,
            env=self.environment(**environment),
            timeout=120,
            check=False,
        )
        return Run(self.folder, finished)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


EVERYTHING = """
import os, warnings
import pytest
from conftest import note

def facts():
    names = ("KERAS_BACKEND", "OMP_NUM_THREADS", "MALLOC_TRIM_THRESHOLD_", "UNIKERAS_EPOCHS")
    return {"group": os.getpgrp(), **{name: os.environ.get(name) for name in names}}

@pytest.fixture(scope="session")
def for_session(backend):
    note("session set up", backend)
    yield
    note("session torn down", backend)

@pytest.fixture(scope="module")
def for_module(for_session):
    note("module set up")
    yield
    note("module torn down")

@pytest.mark.each_backend
@pytest.mark.parametrize("number", [3, 4])
def test_facts(backend, number, for_module, pytestconfig, tmp_path):
    note("facts", {"backend": backend, "greeting": pytestconfig.getoption("greeting"), "folder": str(tmp_path), **facts()})

def test_unmarked():
    note("unmarked", facts())

@pytest.mark.each_backend
def test_fails(backend):
    print("printed by", backend)
    received = {"a": 1, "b": backend}
    assert received == {"a": 1, "b": "other"}

@pytest.mark.each_backend
def test_skips():
    pytest.skip("for a reason")

@pytest.mark.each_backend
@pytest.mark.xfail(strict=True)
def test_xfails():
    assert False

@pytest.mark.each_backend
@pytest.mark.xfail(strict=True)
def test_xpasses():
    pass

@pytest.mark.each_backend
class TestClass:
    def test_method(self, backend, for_module):
        warnings.warn("a warning from " + backend)

@pytest.mark.each_backend
def test_setup_fails(request, for_session, no_such_fixture):
    pass
"""


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Run:
    project = Project(tmp_path_factory.mktemp("everything"))
    project.write("test_all.py", EVERYTHING)
    options = ("--backends", "native-torch,torch", "-rA", "--durations=0", "-vv", "--greeting", "hello")
    return project.run(*options, UNIKERAS_EPOCHS="3", KERAS_BACKEND="jax")


def test_a_marked_test_is_one_per_backend_in_the_backends_order(everything: Run) -> None:
    names = ["facts[{}-3]", "facts[{}-4]", "fails[{}]", "skips[{}]", "xfails[{}]", "xpasses[{}]", "method[{}]", "setup_fails[{}]"]
    expected = [f"test_{name.format(backend)}" for backend in ("torch", "native-torch") for name in names]
    assert list(everything.outcomes) == ["test_unmarked", *expected]


def test_outcomes_are_those_of_pytest(everything: Run) -> None:
    expected = {
        "facts[{}-3]": "passed",
        "facts[{}-4]": "passed",
        "fails[{}]": "failure",
        "skips[{}]": "skipped",
        "xfails[{}]": "skipped",
        "xpasses[{}]": "failure",
        "method[{}]": "passed",
        "setup_fails[{}]": "error",
    }
    for backend in ("torch", "native-torch"):
        assert {name: everything.outcomes[f"test_{name.format(backend)}"] for name in expected} == expected
    assert everything.code == pytest.ExitCode.TESTS_FAILED
    assert "4 failed, 7 passed, 2 skipped, 2 xfailed, 2 warnings, 2 errors" in everything.out
    assert "SKIPPED [2] test_all.py:" in everything.out
    assert "for a reason" in everything.out


def test_a_failure_has_its_introspection_and_captured_output(everything: Run) -> None:
    for backend in ("torch", "native-torch"):
        section = everything.section(f"test_fails[{backend}]")
        assert "Captured stdout call" in section
        assert f"printed by {backend}" in section
        assert f"E         {{'b': '{backend}'}} != {{'b': 'other'}}" in section
        assert "test_all.py:" in section


def test_a_warning_names_its_test(everything: Run) -> None:
    for backend in ("torch", "native-torch"):
        assert re.search(rf"TestClass::test_method\[{backend}\]\n +\S+: UserWarning: a warning from {backend}\n", everything.out)


def test_durations_are_listed(everything: Run) -> None:
    for backend in ("torch", "native-torch"):
        assert re.search(rf"\d\.\d\ds call +test_all.py::test_facts\[{backend}-3\]", everything.out)


def test_each_backend_has_one_process_with_its_environment(everything: Run) -> None:
    (main,) = everything.processes("unmarked")
    facts = everything.noted("facts")
    assert {fact["backend"]: fact["KERAS_BACKEND"] for fact in facts} == {"torch": "torch", "native-torch": None}
    assert {fact["MALLOC_TRIM_THRESHOLD_"] for fact in facts} == {"4294967295"}, "it must be set when the process starts"
    assert {fact["OMP_NUM_THREADS"] for fact in facts} == {"1"}
    assert {fact["UNIKERAS_EPOCHS"] for fact in facts} == {None}
    assert everything.noted("unmarked")[0]["KERAS_BACKEND"] == "jax", "the main process stays as it is"
    assert len(everything.processes() - {main}) == 2
    assert everything.processes("facts") == everything.processes() - {main}
    assert {fact["group"] for fact in facts} == everything.processes("facts"), "Ctrl-C must reach the main process alone"


def test_the_user_may_allow_more_threads(project: Project) -> None:
    code = "import os, pytest\n@pytest.mark.each_backend\ndef test_x(): assert os.environ['OMP_NUM_THREADS'] == '3'\n"
    project.write("test_x.py", code)
    assert project.run("--backends", "native-torch", OMP_NUM_THREADS="3").code == 0


def test_options_reach_the_process_and_folders_are_its_own(everything: Run) -> None:
    assert {fact["greeting"] for fact in everything.noted("facts")} == {"hello"}
    assert len({fact["folder"] for fact in everything.noted("facts")}) == 4


def test_fixtures_live_as_long_as_their_scope_says(everything: Run) -> None:
    assert everything.noted("session set up") == everything.noted("session torn down") == ["torch", "native-torch"]
    assert len(everything.noted("module set up")) == len(everything.noted("module torn down")) == 2
    for process in everything.processes("facts"):
        kinds = [kind for kind, number, _ in everything.notes if number == process]
        facts = ["facts"] * 2
        assert kinds == ["conftest", "session set up", "module set up", *facts, "module torn down", "session torn down"]


SELECTION = """
import pytest
from conftest import note

@pytest.fixture(scope="module")
def local():
    yield
    note("local torn down")

def test_unmarked(local):
    note("unmarked")

@pytest.mark.each_backend
def test_good(backend):
    note("good")

@pytest.mark.each_backend
def test_bad(backend):
    note("bad")
    assert backend == "native-torch"
"""
ALL = {"test_unmarked", "test_good[torch]", "test_bad[torch]", "test_good[native-torch]", "test_bad[native-torch]"}


@pytest.mark.parametrize(
    ("options", "expected", "processes"),
    [
        (["-k", "good and native-torch"], {"test_good[native-torch]"}, 1),
        pytest.param(["-m", "not each_backend"], {"test_unmarked"}, 0, marks=pytest.mark.long),
        pytest.param(["test_some.py::test_bad[native-torch]"], {"test_bad[native-torch]"}, 1, marks=pytest.mark.long),
        (["test_some.py::test_good"], {"test_good[torch]", "test_good[native-torch]"}, 2),
        pytest.param(["-x"], {"test_unmarked", "test_good[torch]", "test_bad[torch]"}, 2, marks=pytest.mark.long),
        pytest.param(["--maxfail=2", "-p", "no:cacheprovider"], ALL, 2, marks=pytest.mark.long),
        pytest.param(["--deselect", "test_some.py::test_bad[torch]"], ALL - {"test_bad[torch]"}, 2, marks=pytest.mark.long),
        (["-n", "2"], ALL, 4),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_the_usual_selection_works(project: Project, options: list[str], expected: set[str], processes: int) -> None:
    project.write("test_some.py", SELECTION)
    run = project.run("--backends", "torch,native-torch", *options)
    assert run.outcomes.keys() == expected, run
    failed = {"test_bad[torch]"} & expected
    assert {name for name, outcome in run.outcomes.items() if outcome != "passed"} == failed, run
    assert run.code == (pytest.ExitCode.TESTS_FAILED if failed else pytest.ExitCode.OK)
    marked = run.processes("good") | run.processes("bad")
    assert len(marked) <= processes
    assert not marked & run.processes("unmarked")
    if processes == 0:
        assert len(run.processes()) == 1, "a process nobody needed"
    if "test_unmarked" in expected:
        kinds = [kind for kind, *_ in run.notes if kind != "conftest"]
        assert kinds.count("local torn down") == 1
        if "-n" not in options and len(kinds) > 2:
            assert kinds.index("local torn down") == 1, "before tests run that don't need it"


def test_any_other_order_works_with_the_same_processes(project: Project) -> None:
    project.write("test_some.py", SELECTION)
    order = ["test_good[torch]", "test_good[native-torch]", "test_unmarked", "test_bad[native-torch]", "test_bad[torch]"]
    hook = "@pytest.hookimpl(wrapper=True, tryfirst=True)\ndef pytest_collection_modifyitems(items):\n    yield\n"
    project.append("conftest.py", f"\n{hook}    items.sort(key=lambda item: {order}.index(item.name))\n")
    project.append("test_some.py", "    import time\n    time.sleep(1)  # time for a process that nobody needs to start\n")
    project.write("test_some.py", (project.folder / "test_some.py").read_text().replace('== "native-torch"', "!= 'none'"))
    run = project.run("--backends", "torch,native-torch")
    assert list(run.outcomes) == order
    assert run.code == 0, run
    assert len(run.processes()) == 3


def test_last_failed_runs_the_failed_backend_only(project: Project) -> None:
    project.write("test_some.py", SELECTION)
    project.run("--backends", "torch,native-torch")
    again = project.run("--backends", "torch,native-torch", "--lf")
    assert list(again.outcomes) == ["test_bad[torch]"], again


def test_stopping_at_a_failure_still_reports_what_fails_in_teardown(project: Project) -> None:
    project.write(
        "test_teardown.py",
        """
import pytest
pytestmark = pytest.mark.each_backend

@pytest.fixture(scope="module")
def broken():
    yield
    raise RuntimeError("broken in teardown")

def test_fails(broken): assert False
def test_never_runs(broken): pass
""",
    )
    run = project.run("--backends", "native-torch", "-x")
    assert run.outcomes == {"test_fails[native-torch]": "failure error"}, run
    assert "broken in teardown" in run.section("ERROR at teardown of test_fails[native-torch]")


def test_module_fixtures_end_with_their_module_although_xdist_skips_tests(project: Project) -> None:
    """Of three tests, the first of xdist's two processes gets the first and the third, which stands in another module."""
    for name, tests in (("first", 2), ("second", 1)):
        fixture = f"@pytest.fixture(scope='module')\ndef module():\n    yield\n    note('end of {name}')\n"
        functions = [f"def test_{name}{number}(module): note('{name}{number}')\n" for number in range(tests)]
        mark = "pytestmark = pytest.mark.each_backend\n"
        project.write(f"test_{name}.py", "import pytest\nfrom conftest import note\n" + mark + fixture + "".join(functions))
    run = project.run("--backends", "native-torch", "-n", "2", "--dist", "load")
    assert set(run.outcomes.values()) == {"passed"}, run
    (process,) = run.processes("second0")
    kinds = [kind for kind, number, _ in run.notes if number == process]
    assert kinds == ["conftest", "first0", "end of first", "second0", "end of second"], run


def test_clearing_the_cache_is_done_once(project: Project) -> None:
    project.write(
        "test_cache.py",
        """
import time
import pytest

def test_puts(cache):
    time.sleep(1)  # the process has started meanwhile
    cache.set("unikeras/found", 1)

@pytest.mark.each_backend
def test_dies(): __import__("os")._exit(1)

@pytest.mark.each_backend
def test_finds(cache): assert cache.get("unikeras/found", 0) == 1
""",
    )
    run = project.run("--backends", "native-torch", "--cache-clear")
    assert run.outcomes["test_finds[native-torch]"] == "passed", run


def test_collect_only_lists_the_ids_and_starts_nothing(project: Project) -> None:
    project.write("test_some.py", SELECTION)
    run = project.run("--backends", "torch,native-torch", "--collect-only", "-q")
    assert {line.partition("::")[2] for line in run.out.splitlines() if "::" in line} == ALL, run
    assert len(run.processes()) == 1


def test_uses_keras_chooses_the_kind_of_backend(project: Project) -> None:
    project.write(
        "test_kinds.py",
        """
import pytest
pytestmark = pytest.mark.each_backend

@pytest.mark.each_backend(uses_keras=True)
def test_keras(): pass

@pytest.mark.each_backend(uses_keras=False)
def test_native(): pass

def test_both(): pass
""",
    )
    run = project.run("--collect-only", "-q")
    names = {"keras": ("tensorflow", "torch"), "native": ("native-tensorflow", "native-torch")}
    names["both"] = (*names["keras"], *names["native"])
    expected = {f"test_{test}[{backend}]" for test, backends in names.items() for backend in backends}
    assert {line.partition("::")[2] for line in run.out.splitlines() if "::" in line} == expected, run
    run = project.run("--backends", "native-torch", "-k", "keras", "-rs")
    assert set(run.outcomes.values()) == {"skipped"}, run


DEATHS = """
import ctypes, os, signal
import pytest
from conftest import note
pytestmark = pytest.mark.each_backend

@pytest.fixture
def deadly():
    yield
    os._exit(5)

def test_exits(): os._exit(7)
def test_is_killed(): os.kill(os.getpid(), signal.SIGKILL)
def test_crashes(): ctypes.string_at(0)
def test_dies_in_teardown(deadly): pass
def test_lives(backend): note("lives", backend)
"""


def test_a_dead_process_is_a_failed_test_and_the_rest_runs(project: Project) -> None:
    project.write("test_deaths.py", DEATHS)
    run = project.run("--backends", "torch,native-torch")
    for backend in ("torch", "native-torch"):
        died = f"The process of backend '{backend}' died while it ran this test: "
        assert died + "exit status 7" in run.section(f"test_exits[{backend}]")
        assert died + "SIGKILL" in run.section(f"test_is_killed[{backend}]")
        crash = run.section(f"test_crashes[{backend}]")
        assert died + "SIGSEGV" in crash
        assert "in test_crashes" in crash, "faulthandler's trace"
        assert died + "exit status 5" in run.section(f"ERROR at teardown of test_dies_in_teardown[{backend}]")
        assert run.outcomes[f"test_lives[{backend}]"] == "passed"
    assert run.noted("lives") == ["torch", "native-torch"]


def test_a_death_between_tests_is_a_failure_too(project: Project) -> None:
    project.write(
        "test_later.py",
        """
import os, threading, time
import pytest
pytestmark = pytest.mark.each_backend

def test_plants(): threading.Timer(0.3, os._exit, [9]).start()

def test_waits(): time.sleep(20)

def test_last(): pass
""",
    )
    run = project.run("--backends", "native-torch")
    assert run.outcomes == {
        "test_plants[native-torch]": "passed",
        "test_waits[native-torch]": "failure",
        "test_last[native-torch]": "passed",
    }, run
    project.append("conftest.py", "\ndef pytest_sessionfinish():\n    if PROCESS[0] == 'torch': os._exit(11)\n")
    run = project.run("--backends", "torch", "-k", "last")
    assert "The process of backend 'torch' died after its last test: exit status 11" in run.out, run
    assert run.code == pytest.ExitCode.TESTS_FAILED


def test_a_process_that_cannot_start_fails_its_tests_once_and_for_all(project: Project) -> None:
    project.write("test_some.py", SELECTION)
    project.append("conftest.py", "\nif PROCESS[0] == 'torch': raise RuntimeError('not with torch')\n")
    run = project.run("--backends", "torch,native-torch")
    for test in ("test_good[torch]", "test_bad[torch]"):
        assert "The process of backend 'torch' could not collect its tests" in run.section(test)
        assert "RuntimeError: not with torch" in run.section(test)
    assert run.outcomes["test_good[native-torch]"] == "passed"
    assert len(run.processes()) == 3, "the main process, native-torch, and one attempt for torch"


def test_a_file_that_collects_differently_in_a_process_says_so(project: Project) -> None:
    start = "import os, pytest\nkeras = os.environ.get('KERAS_BACKEND', 'none')\n"
    skip = "if keras != 'none': pytest.skip('not here', allow_module_level=True)\n"
    parameters = "@pytest.mark.parametrize('name', [keras])\n"
    mark = "@pytest.mark.each_backend\n"
    project.write("test_skips.py", f"{start}{skip}{mark}def test_skipped(): pass\n")
    project.write("test_breaks.py", f"{start}if keras != 'none': import not_there\n{mark}def test_broken(): pass\n")
    project.write("test_differs.py", f"{start}{mark}{parameters}def test_other(name): pass\n")
    run = project.run("--backends", "torch", "-rs")
    assert run.outcomes["test_skipped[torch]"] == "skipped"
    assert re.search(r"SKIPPED \[1\] \S*test_skips.py:3: not here", run.out), run
    assert "ModuleNotFoundError: No module named 'not_there'" in run.section("ERROR at setup of test_broken[torch]")
    assert "not in the one of backend 'torch'" in run.section("ERROR at setup of test_other[torch-none]")


COVERED = "def choose(first):\n    if first:\n        return 1\n    return 2\n"


@pytest.mark.parametrize("parallel", ["false", "true"])
def test_coverage_counts_what_ran_in_the_processes(project: Project, parallel: str) -> None:
    """Each process runs another half of a module that the main process never imports."""
    project.write("covered.py", COVERED)
    project.write(".coveragerc", f"[run]\nparallel = {parallel}\n")
    project.write("pytest.ini", "[pytest]\nfilterwarnings = error\n")
    project.write(
        "test_it.py",
        """
import pytest
@pytest.mark.each_backend
def test_it(backend):
    import covered
    assert covered.choose(backend == 'torch') == 1 + (backend != 'torch')
""",
    )
    run = project.run("--backends", "torch,native-torch", "--cov=covered", "--cov-report=json:cov.json")
    assert run.code == 0, run
    assert "CoverageWarning" not in run.out + run.err
    report = json.loads((project.folder / "cov.json").read_text())
    assert report["files"]["covered.py"]["executed_lines"] == [1, 2, 3, 4]


def test_a_wrong_backend_is_one_message(project: Project) -> None:
    project.write("test_some.py", SELECTION)
    run = project.run("--backends", "torhc")
    assert run.code == pytest.ExitCode.USAGE_ERROR
    assert "Unknown backend 'torhc'.\nDid you mean torch" in run.err
    assert "Traceback" not in run.out + run.err
    project.append("conftest.py", "\nimport sys\nsys.modules['torch'] = None  # as if it weren't installed\n")
    run = project.run("--backends", "torch")
    assert run.code == pytest.ExitCode.USAGE_ERROR
    assert "Backend 'torch' needs torch, which is not installed here.\npip install torch" in run.err
    run = project.run("--collect-only", "-q")
    assert "test_good[tensorflow]" in run.out
    assert "test_good[torch]" not in run.out


@pytest.mark.parametrize(
    ("code", "options", "said"),
    [
        ("import unittest\n@mark\nclass Test(unittest.TestCase):\n    def test_x(self): pass\n", [], "no unittest.TestCase"),
        ("@mark('torch')\ndef test_x(): pass\n", [], "each_backend('torch'): the marker takes uses_keras=True"),
        ("@mark(uses_keras='yes')\ndef test_x(): pass\n", [], "each_backend(uses_keras='yes'): the marker takes"),
        ("def test_x(backend): pass\n", [], "Add @pytest.mark.each_backend to the test."),
        ("@mark\ndef test_x(): pass\n", ["--pdb"], "--pdb can't be used for tests marked each_backend"),
        ("import sys\nsys.modules['execnet'] = None\n@mark\ndef test_x(): pass\n", [], "pip install 'unikeras[pytest]'"),
    ],
    ids=["unittest", "argument", "value", "unmarked", "pdb", "execnet"],
)
def test_a_mistake_is_named_with_its_cure(project: Project, code: str, options: list[str], said: str) -> None:
    project.write("test_wrong.py", f"import pytest\nmark = pytest.mark.each_backend\n{code}")
    run = project.run("--backends", "native-torch", "--strict-markers", *options)
    assert run.code not in (0, pytest.ExitCode.INTERNAL_ERROR), run
    assert said in run.out + run.err
    assert "Traceback" not in run.out + run.err


def test_exit_and_stop_in_a_process_end_the_whole_session(project: Project) -> None:
    project.write(
        "test_ends.py",
        """
import pytest
pytestmark = pytest.mark.each_backend
def test_exit(): pytest.exit("enough", returncode=9)
def test_interrupt(): raise KeyboardInterrupt
def test_stop(request): request.session.shouldstop = "no more"
def test_after(): pass
""",
    )
    for name, code, said in (("exit", 9, "enough"), ("interrupt", 2, "KeyboardInterrupt"), ("stop", 2, "no more")):
        run = project.run("--backends", "native-torch", "-k", f"{name} or after")
        assert run.code == code, run
        assert said in run.out
        assert "test_after[native-torch]" not in run.outcomes


def test_output_shows_at_once_without_capture(project: Project) -> None:
    project.write("test_out.py", "import pytest\n@pytest.mark.each_backend\ndef test_x(backend): print('said by', backend)\n")
    run = project.run("--backends", "torch,native-torch", "-s")
    assert [line for line in run.err.splitlines() if line] == ["said by torch", "said by native-torch"], run
    assert run.out.count("test_out.py") == 1, "the processes' own reports stay out of it"


def test_plugins_that_know_xdist_can_hand_something_over(project: Project) -> None:
    project.append(
        "conftest.py",
        """
def pytest_configure_node(node):
    node.workerinput["seed"] = 42

def pytest_configure(config):
    if hasattr(config, "workerinput"):
        note("seed", [config.workerinput["seed"], config.workerinput["workerid"]])
""",
    )
    project.write("test_x.py", "import pytest\n@pytest.mark.each_backend\ndef test_x(): pass\n")
    run = project.run("--backends", "native-torch")
    assert run.noted("seed") == [[42, "native-torch"]], run


def test_a_run_without_marked_tests_imports_nothing_of_it(project: Project) -> None:
    project.append("conftest.py", "\ndef pytest_sessionfinish():\n    import sys\n    note('modules', sorted(sys.modules))\n")
    project.write("test_x.py", "def test_x(): pass\n")
    others = ("-p", "no:xdist", "-p", "no:xdist.looponfail", "-p", "no:cov")
    (modules,) = project.run(*others).noted("modules")
    assert "unikeras.pytest_plugin" in modules
    heavy = {"keras", "tensorflow", "torch", "numpy", "execnet", "unikeras.backends", "unikeras.launcher"}
    assert not heavy & set(modules)


def test_the_main_process_imports_no_framework_for_marked_tests(project: Project) -> None:
    project.append("conftest.py", "\ndef pytest_sessionfinish():\n    import sys\n    note('modules', sorted(sys.modules))\n")
    project.write("test_x.py", "import pytest\n@pytest.mark.each_backend\ndef test_x(): pass\n")
    for modules in project.run("--backends", "torch").noted("modules"):
        assert not {"keras", "tensorflow", "torch"} & set(modules)


SLEEPS = """
import time
import pytest
from conftest import note

@pytest.fixture(scope="session")
def cleared():
    yield
    time.sleep(0.5)
    note("cleared")

@pytest.mark.each_backend
def test_sleeps(cleared):
    note("sleeping")
    time.sleep(100)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs Linux to see processes")
def test_no_process_outlives_the_main_one(project: Project, number: signal.Signals) -> None:
    project.write("test_sleeps.py", SLEEPS)
    command = project.command("--backends", "torch,native-torch")
    main = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=project.folder, env=project.environment(), start_new_session=True
    )
    notes = project.folder / "notes.jsonl"
    wait_until(lambda: notes.exists() and "sleeping" in notes.read_text() and notes.read_text().count("conftest") == 3, 60)
    os.killpg(main.pid, number)  # as a terminal does
    out, _ = main.communicate(timeout=20)
    run = Run(project.folder, subprocess.CompletedProcess(command, main.returncode, out, ""))
    workers = run.processes() - {main.pid}
    assert len(workers) == 2
    wait_until(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers), 1 if number == signal.SIGINT else 20)
    assert len(Run(project.folder, subprocess.CompletedProcess(command, 0, "", "")).noted("cleared")) == 1
    if number == signal.SIGINT:
        assert main.returncode == pytest.ExitCode.INTERRUPTED
        assert "KeyboardInterrupt" in out


def wait_until(condition: Any, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.05)
