"""What all tests share: the backends to test, runs trained once a session, and scripts run in a backend's own process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import TESTS, Probe, unikeras
from trainings import Trainings, TrainingsOn

from unikeras import backends
from unikeras.backends import BACKENDS
from unikeras.launcher import child_environment


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test with the argument `backend` runs once for each; a new file in unikeras/backends joins unasked.

    Those marked each_backend do so in the backend's process, by unikeras' own plugin. The others run here, and start the
    processes that they are about.
    """
    if "backend" in metafunc.fixturenames and not metafunc.definition.get_closest_marker("each_backend"):
        names = [info.name for info in backends.select(metafunc.config.getoption("--backends"))]
        chosen = names[zlib.crc32(metafunc.function.__name__.encode()) % len(names)]
        is_one_enough = metafunc.definition.get_closest_marker("one_backend")
        values = [
            pytest.param(name, marks=pytest.mark.long) if is_one_enough and name != chosen else pytest.param(name)
            for name in names
        ]
        metafunc.parametrize("backend", values, scope="session")


@pytest.fixture(scope="session")
def backend_names(request: pytest.FixtureRequest) -> list[str]:
    return [info.name for info in backends.select(request.config.getoption("--backends"))]


@pytest.fixture(scope="session", autouse=True)
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """No setting of the person who runs the tests reaches them, and their cache stays as it is."""
    for name in [name for name in os.environ if name.startswith(("UNIKERAS_", "KERAS_"))]:
        if name != "KERAS_BACKEND":  # set for each process by the program itself
            del os.environ[name]
    os.environ["UNIKERAS_CACHE_DIR"] = str(tmp_path_factory.mktemp("cache"))
    os.environ["COLUMNS"] = "120"
    os.environ["UNIKERAS_THREADS"] = "1"  # torch's threads wait for each other badly on a busy machine
    return dict(os.environ)


@pytest.fixture(scope="session")
def probe(tmp_path_factory: pytest.TempPathFactory) -> Probe:
    """Runs tests/probes/NAME.py in a process with a backend's environment; its arrays come back by name. Asked once a session."""
    answers: dict[tuple[str, str], dict[str, np.ndarray]] = {}

    def ask(name: str, backend: str, **arguments: Any) -> dict[str, np.ndarray]:
        key = (name, backend)
        if key not in answers:
            output = tmp_path_factory.mktemp("probe") / "arrays.npz"
            command = [sys.executable, "-P", str(TESTS / "probes" / f"{name}.py"), backend, str(output), json.dumps(arguments)]
            env = child_environment(BACKENDS[backend], threads=None)
            finished = subprocess.run(command, capture_output=True, text=True, env=env, timeout=300, check=False)
            assert finished.returncode == 0, finished.stderr[-3000:]
            with np.load(output, allow_pickle=False) as arrays:
                answers[key] = dict(arrays)
        return answers[key]

    return ask


@pytest.fixture(scope="session")
def trainings_on(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrainingsOn]:
    """For each backend a process that trains as it is told, started when first asked for and then kept."""
    processes: dict[str, Trainings] = {}

    def ask(backend: str) -> Trainings:
        if backend not in processes:
            processes[backend] = Trainings(backend, tmp_path_factory.mktemp("trainings") / "log")
        return processes[backend]

    yield ask
    for process in processes.values():
        process.close()


@pytest.fixture
def trainings(backend: str, trainings_on: TrainingsOn) -> Trainings:
    """The process of the backend that is tested."""
    return trainings_on(backend)


@pytest.fixture(scope="session")
def temporary_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the frameworks write temporary files while `digits_runs` are trained."""
    return tmp_path_factory.mktemp("temporary")


@pytest.fixture(scope="session")
def digits_runs(
    backend_names: list[str], tmp_path_factory: pytest.TempPathFactory, temporary_files: Path
) -> dict[str, dict[str, Any]]:
    """The main job: the default model on the default data, on every backend, by one command. Results by backend.

    In two thirds of the default size, which takes half the time.
    """
    folder = tmp_path_factory.mktemp("runs") / "digits"
    arguments = ["--backend", ",".join(backend_names), "--image-size", 24, "--output", folder, "--json"]
    answer = unikeras("train", *arguments, TMPDIR=str(temporary_files))
    assert answer.code == 0, answer
    return {result["backend"]: result for result in answer.json["runs"]}
