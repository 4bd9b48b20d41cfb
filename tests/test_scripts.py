"""The bootstrap in scripts/: what it installs, when it doesn't, and what a person reads when it can't.

The real scripts run on a stand-in project, which has no dependencies and builds itself offline in a moment.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
BASH = shutil.which("bash") or "/bin/bash"
STAMP = ".venv/.unikeras-installed"

PYPROJECT = """\
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[project]
name = "unikeras"
version = "0.1.0"
"""

# The least that PEP 660 asks of a build backend. BACKEND makes it fail, or wait to be killed.
BACKEND = """\
import os, time, zipfile
from pathlib import Path

def get_requires_for_build_editable(config_settings=None):
    return []

def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    if os.environ.get("BACKEND") == "fail":
        raise SystemExit("the planted failure")
    if os.environ.get("BACKEND") == "hang":
        Path("hanging").touch()
        time.sleep(60)
    info = "unikeras-0.1.0.dist-info"
    files = {
        "unikeras.pth": str(Path.cwd()),
        f"{info}/METADATA": "Metadata-Version: 2.1\\nName: unikeras\\nVersion: 0.1.0\\nProvides-Extra: test\\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\\nGenerator: backend\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
        f"{info}/entry_points.txt": "[console_scripts]\\nunikeras = stand_in:main\\n",
    }
    record = "".join(f"{name},,\\n" for name in [*files, f"{info}/RECORD"])
    name = "unikeras-0.1.0-py3-none-any.whl"
    with zipfile.ZipFile(Path(wheel_directory, name), "w") as wheel:
        for path, text in {**files, f"{info}/RECORD": record}.items():
            wheel.writestr(path, text)
    return name
"""

# Serves as `unikeras` and as `python -m pytest`: says what reached it.
STAND_IN = """\
import json, os, sys

def main():
    print(json.dumps({"program": os.path.basename(sys.argv[0]), "arguments": sys.argv[1:], "folder": os.getcwd()}))

if __name__ == "__main__":
    main()
"""


def make_project(root: Path) -> Path:
    """Lays out a fresh clone of the stand-in project, with this repository's scripts."""
    shutil.copytree(REPOSITORY / "scripts", root / "scripts")
    shutil.copytree(REPOSITORY / ".ci", root / ".ci")
    for name, text in [("pyproject.toml", PYPROJECT), ("constraints.txt", ""), ("backend.py", BACKEND)]:
        (root / name).write_text(text)
    for name in ["stand_in.py", "pytest.py"]:
        (root / name).write_text(STAND_IN)
    return root


def call(script: Path, *arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a script as a person would, with no input; an interpreter is named unless ``environment`` does so."""
    return subprocess.run(
        [str(script), *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHON": sys.executable, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


def said(result: subprocess.CompletedProcess[str]) -> dict[str, object]:
    """What the stand-in printed; anything else on stdout fails here."""
    assert result.returncode == 0, result.stderr
    answer: dict[str, object] = json.loads(result.stdout)
    return answer


def without(folder: Path, *modules: str) -> str:
    """A PYTHONPATH that makes these modules seem to be missing, as where a distribution splits them off."""
    for name in modules:
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text("raise ImportError('split off')\n")
    return str(folder)


def fake_program(path: Path, body: str) -> Path:
    """Writes a bash program that ignores its arguments."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!{BASH}\n{body}\n")
    path.chmod(0o755)
    return path


@pytest.fixture(scope="module")
def first_call(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A project in a folder with spaces, and the first call of scripts/train there, made from elsewhere."""
    folder = tmp_path_factory.mktemp("a folder with spaces")
    root = make_project(folder / "my project")
    return root, call(root / "scripts" / "train", "--json", "two words", "", cwd=folder)


@pytest.fixture
def project(first_call: tuple[Path, subprocess.CompletedProcess[str]]) -> Path:
    """The project with .venv installed."""
    return first_call[0]


@pytest.fixture(scope="module")
def quickly(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Environment variables with which .venv gets no pip of its own: most of the time to make one goes there."""
    base = getattr(sys, "_base_executable", None) or sys.executable
    if subprocess.run([base, "-c", "import pip"], capture_output=True).returncode != 0:
        return {}
    return {"PYTHONPATH": without(tmp_path_factory.mktemp("split off"), "ensurepip")}


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    """The project without .venv."""
    return make_project(tmp_path / "fresh clone")


def test_first_call_installs_and_keeps_stdout_for_the_command(
    first_call: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    root, result = first_call
    assert said(result) == {
        "program": "unikeras",
        "arguments": ["train", "--json", "two words", ""],
        "folder": str(root.parent.resolve()),
    }
    assert result.stderr.splitlines() == ["unikeras: Setting up .venv (first run; takes a few minutes) …"]


def test_second_call_neither_looks_for_python_nor_installs(project: Path, tmp_path: Path) -> None:
    stamped = (project / STAMP).stat().st_mtime_ns
    # Both would fail the call: an interpreter that doesn't exist, a build that fails.
    result = call(project / "scripts" / "train", cwd=tmp_path, PYTHON="/nonexistent", BACKEND="fail")
    assert said(result)["folder"] == str(tmp_path.resolve())
    assert result.stderr == ""
    assert (project / STAMP).stat().st_mtime_ns == stamped


@pytest.mark.parametrize("script", ["scripts/test", ".ci/run"])
def test_tests_run_from_the_root_with_the_options_given(project: Path, tmp_path: Path, script: str) -> None:
    result = call(project / script, "-k", "two words", cwd=tmp_path)
    options = ["-n", "3", "--dist", "loadfile"]
    expected = {"program": "pytest.py", "arguments": [*options, "-k", "two words"], "folder": str(project.resolve())}
    assert said(result) == expected


def test_scripts_work_through_symbolic_links(project: Path, tmp_path: Path) -> None:
    (tmp_path / "some bin").mkdir()
    (tmp_path / "absolute").symlink_to(project / "scripts" / "train")
    (tmp_path / "some bin" / "relative").symlink_to("../absolute")
    (tmp_path / "repository").symlink_to(project)
    for script in [tmp_path / "some bin" / "relative", tmp_path / "repository" / "scripts" / "train"]:
        result = call(script, cwd=tmp_path, PYTHON="/nonexistent")
        assert said(result)["arguments"] == ["train"]
        assert result.stderr == ""


@pytest.mark.parametrize("name", ["constraints.txt", "pyproject.toml"])
def test_changed_requirements_are_installed_into_the_same_environment(project: Path, tmp_path: Path, name: str) -> None:
    kept = project / ".venv" / "kept"
    kept.touch()
    with (project / name).open("a") as file:
        file.write("# changed\n")
    result = call(project / "scripts" / "train", cwd=tmp_path)
    assert said(result)["arguments"] == ["train"]
    assert result.stderr.splitlines() == ["unikeras: Updating .venv (the requirements have changed) …"]
    assert kept.exists()
    assert call(project / "scripts" / "train", cwd=tmp_path).stderr == ""


def test_failed_installation_says_so_and_is_repeated(fresh: Path, quickly: dict[str, str]) -> None:
    failed = call(fresh / "scripts" / "train", cwd=fresh, BACKEND="fail", **quickly)
    assert failed.returncode != 0
    assert failed.stdout == ""
    assert "the planted failure" in failed.stderr
    assert "couldn't install" in failed.stderr and "try again" in failed.stderr
    repeated = call(fresh / "scripts" / "train", cwd=fresh, **quickly)
    assert said(repeated)["arguments"] == ["train"]
    assert "Setting up .venv again" in repeated.stderr


def test_killed_update_is_repeated_and_others_wait_for_it(fresh: Path, tmp_path: Path, quickly: dict[str, str]) -> None:
    train = fresh / "scripts" / "train"
    said(call(train, cwd=fresh, **quickly))
    (fresh / "constraints.txt").write_text("# changed\n")

    def start(name: str, **environment: str) -> tuple[subprocess.Popen[bytes], Path, Path]:
        stdout, stderr = tmp_path / f"{name}.stdout", tmp_path / f"{name}.stderr"
        environment = {**os.environ, "PYTHON": sys.executable, **quickly, **environment}
        with stdout.open("wb") as out, stderr.open("wb") as err:
            process = subprocess.Popen(
                [str(train)], env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True
            )
        return process, stdout, stderr

    # A killed pip leaves its temporary folders behind; in tmp_path they are pytest's to remove.
    calls = [start("killed", BACKEND="hang", TMPDIR=str(tmp_path))]
    try:
        wait_until((fresh / "hanging").exists)
        calls += [start("second"), start("third")]
        for _, _, stderr in calls[1:]:
            wait_until(lambda stderr=stderr: "Waiting for another call" in stderr.read_text())  # type: ignore[misc]
        os.killpg(calls[0][0].pid, signal.SIGKILL)
        assert [process.wait(timeout=60) for process, _, _ in calls] == [-signal.SIGKILL, 0, 0]
    finally:
        for process, _, _ in calls:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    for _, stdout, _ in calls[1:]:
        assert json.loads(stdout.read_text())["arguments"] == ["train"]
    installing = ["Setting up .venv again" in stderr.read_text() for _, _, stderr in calls[1:]]
    assert sum(installing) == 1, "one of the two should install, the other find it done"


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Polls, because a process that is about to be killed can't report."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "nothing happened in time"
        time.sleep(0.05)


def test_moved_repository_gets_a_new_environment_from_the_first_python_that_runs(
    project: Path, tmp_path: Path, quickly: dict[str, str]
) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(project, moved, symlinks=True)
    programs = tmp_path / "programs"
    fake_program(programs / "python3.11", "echo 'not selected' >&2; exit 127")
    fake_program(programs / "python3.12", "echo 3.9.18 /usr/bin/python3.9")
    fake_program(programs / "python3.13", f'exec "{sys.executable}" "$@"')
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    # A talkative pip, as somebody's configuration may ask for, must not reach stdout.
    result = call(moved / "scripts" / "train", cwd=tmp_path, PYTHON="", PATH=path, PIP_VERBOSE="3", **quickly)
    assert said(result)["arguments"] == ["train"]
    assert "Setting up .venv again" in result.stderr
    assert str(moved.resolve()) in (moved / STAMP).read_text()


@pytest.mark.parametrize("now", ["gone", "another"])
def test_environment_whose_python_was_replaced_is_made_again(
    project: Path, tmp_path: Path, quickly: dict[str, str], now: str
) -> None:
    link = project / ".venv" / "bin" / "python"
    replacement = tmp_path / "python"
    if now == "another":
        fake_program(replacement, f'exec "{sys.executable}" "$@"')
    link.unlink()
    link.symlink_to(replacement)
    result = call(project / "scripts" / "train", cwd=tmp_path, **quickly)
    assert said(result)["arguments"] == ["train"]
    assert "Setting up .venv again" in result.stderr
    assert link.resolve() != replacement.resolve()


def test_environment_made_by_other_means_is_completed_not_deleted(project: Path, tmp_path: Path) -> None:
    stamp = project / STAMP
    kept = project / ".venv" / "kept"
    kept.touch()
    stamp.unlink()
    result = call(project / "scripts" / "train", cwd=tmp_path)
    assert said(result)["arguments"] == ["train"]
    assert "Completing .venv" in result.stderr
    assert kept.exists() and stamp.exists()


def test_old_python_is_refused_by_name(fresh: Path) -> None:
    old = fake_program(fresh / "old python", "echo 3.9.18")
    result = call(fresh / "scripts" / "test", cwd=fresh, PYTHON=str(old))
    assert result.returncode != 0
    assert result.stdout == ""
    assert re.search(r"needs Python 3\.11 or newer.*old python, which is Python 3\.9\.18.*try again", result.stderr)
    assert not (fresh / ".venv").exists()


def test_missing_python_is_reported(fresh: Path) -> None:
    result = call(fresh / "scripts" / "test", cwd=fresh, PYTHON="/nonexistent/python")
    assert result.returncode != 0
    assert "/nonexistent/python, which doesn't run" in result.stderr


def test_python_that_cannot_make_environments_is_reported(fresh: Path, tmp_path: Path) -> None:
    result = call(fresh / "scripts" / "train", cwd=fresh, PYTHONPATH=without(tmp_path / "split off", "ensurepip", "pip"))
    assert result.returncode != 0
    assert "can't make a virtual environment" in result.stderr and "python3-venv" in result.stderr


def test_constraints_pin_exact_public_releases() -> None:
    lines = [line for line in (REPOSITORY / "constraints.txt").read_text().splitlines() if line and not line.startswith("#")]
    assert lines
    for line in lines:
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*", line), f"{line}: expected NAME==VERSION, no +suffix"
