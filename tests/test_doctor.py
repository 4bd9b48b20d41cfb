"""`unikeras doctor`: what works is said to, what is broken is named with its reason, and known troubles are found."""

from __future__ import annotations

import dataclasses
import io
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from support import Answer, unikeras

from unikeras import doctor_command, doctor_printing, trial
from unikeras.backends import BACKENDS
from unikeras.doctor import machine, problems, software
from unikeras.doctor.folders import Folder
from unikeras.doctor.machine import Machine
from unikeras.doctor.problems import GIB, Facts
from unikeras.doctor.software import Software
from unikeras.errors import WorkerError


def doctor(first_on_path: Path, *options: str) -> Answer:
    """Runs it with a folder that comes before everything installed."""
    path = os.pathsep.join(filter(None, [str(first_on_path), os.environ.get("PYTHONPATH", "")]))
    return unikeras("doctor", *options, PYTHONPATH=path)


@pytest.fixture(scope="module")
def healthy() -> Answer:
    return unikeras("doctor", "--json")


def test_every_backend_comes_through_and_nothing_is_missing_in_the_json(healthy: Answer) -> None:
    assert healthy.code == 0, healthy
    result = healthy.json
    assert result.keys() == {"healthy", "versions", "machine", "folders", "backends", "problems"}
    assert [trial["backend"] for trial in result["backends"]] == list(BACKENDS)
    for found in result["backends"]:
        assert found.keys() == {"backend", "state", "device", "seconds", "failed_at", "error", "cure", "log"}
        assert (found["state"], found["error"]) == ("works", None), found
        assert list(found["seconds"]) == ["import", "build", "steps"]
    assert result["versions"]["python"] == ".".join(map(str, sys.version_info[:3]))
    assert result["folders"]["cache"]["path"] == os.environ["UNIKERAS_CACHE_DIR"]


@pytest.mark.parametrize("width", [80, 120])
def test_words_fit_the_terminal(healthy: Answer, width: int) -> None:
    output = Console(file=io.StringIO(), width=width)
    doctor_printing.print_result({**healthy.json, "problems": []}, output)
    text = output.file.getvalue()  # type: ignore[attr-defined]
    assert max(map(len, text.splitlines())) <= width
    assert "nothing known to go wrong was found" in text
    assert all(name in text for name in BACKENDS)


BROKEN_KERAS = """
import os, signal
if os.environ["KERAS_BACKEND"] == "torch":
    os.kill(os.getpid(), signal.SIGSEGV)
raise RuntimeError("planted")
"""


@pytest.mark.long
def test_a_broken_backend_is_named_with_its_reason_and_the_others_are_tried(tmp_path: Path) -> None:
    (tmp_path / "keras").mkdir()
    (tmp_path / "keras" / "__init__.py").write_text(BROKEN_KERAS)
    answer = doctor(tmp_path, "--json")
    assert answer.code == 1, answer
    found = {trial["backend"]: trial for trial in answer.json["backends"]}
    assert {name: trial["state"] for name, trial in found.items()} == {
        "tensorflow": "broken", "torch": "broken", "native-tensorflow": "works", "native-torch": "works",
    }  # fmt: skip
    assert (found["tensorflow"]["failed_at"], found["tensorflow"]["error"]) == ("import", "RuntimeError: planted")
    assert "Traceback" in found["tensorflow"]["log"]
    assert found["torch"]["error"] == "The worker process died: SIGSEGV."
    assert "pip install --force-reinstall torch keras" in found["torch"]["cure"]
    assert [problem["name"] for problem in answer.json["problems"] if problem["name"] == "shadowed-package"]


def test_without_any_framework_it_says_what_to_install(tmp_path: Path) -> None:
    absent = "import sys\nsys.modules.update(torch=None, tensorflow=None)\n"  # as if they were not installed
    (tmp_path / "sitecustomize.py").write_text(absent)
    answer = doctor(tmp_path)
    assert answer.code == 1, answer
    assert "torch is missing: it needs torch, which is not installed here.\n  pip install torch\n" in answer.out
    assert "No backend is installed." in answer.out
    assert "Traceback" not in answer.err


def test_a_backend_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "torch.py").write_text("import time\ntime.sleep(600)\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setattr(doctor_command, "MOST_SECONDS", 0.5)
    found = doctor_command.try_backend(BACKENDS["native-torch"], 1)
    assert (found["state"], found["failed_at"]) == ("broken", "import")
    assert "was ended" in found["error"]


@pytest.mark.parametrize("losses", [[1.0, float("nan")], [float("inf"), 1.0], [1.0, 1.0], [1.0, 2.0]])
def test_steps_that_learn_nothing_are_a_failure(losses: list[float]) -> None:
    with pytest.raises(WorkerError, match="must lower its loss"):
        trial.require_learning(losses)


MACHINE = Machine(
    system="Linux", cpu="A", has_avx=True, cores=8, usable_cores=8, cpu_quota=None, load=0.1, memory=16 * GIB,
    memory_available=8 * GIB, shared_memory=GIB, gpus=(),
)  # fmt: skip
SOFTWARE = Software(
    versions={"keras": "3.15.1", "tensorflow": "2.21.0", "torch": "2.13.0+cpu", "numpy": "2.4.6"},
    minimums={"keras": "3.15", "numpy": "2.0", "torch": "2.13"},
    twins=(), strangers={}, keras_config="k.json", keras_values={"backend": "tensorflow", "floatx": "float32"}, cuda_build=False,
)  # fmt: skip
FACTS = Facts(MACHINE, SOFTWARE, (Folder("/cache", 5, 50 * GIB, True), Folder("/here", None, 50 * GIB, True)), {}, None)


def on(**changes: Any) -> Facts:
    return dataclasses.replace(FACTS, machine=dataclasses.replace(MACHINE, **changes))


def with_software(**changes: Any) -> Facts:
    return dataclasses.replace(FACTS, software=dataclasses.replace(SOFTWARE, **changes))


def with_environment(**environment: str) -> Facts:
    return dataclasses.replace(FACTS, environment=environment)


CUDA = {"versions": {**SOFTWARE.versions, "torch": "2.13.0+cu130"}, "cuda_build": True}
TROUBLES = [
    (with_software(versions={**SOFTWARE.versions, "keras": "3.9.2"}), "old-package", "pip install 'keras>=3.15'"),
    (with_software(strangers={"torch": "/x/torch.py"}), "shadowed-package", "Rename or remove it."),
    (with_software(twins=(("keras-nightly", "keras"),)), "two-packages-in-one-place", "pip uninstall -y keras-nightly keras"),
    (on(has_avx=False), "no-avx", "--backend torch"),
    (on(memory_available=GIB), "little-memory", "--batch-size"),
    (dataclasses.replace(FACTS, folders=(Folder("/cache", 0, 5, True),)), "little-disk", "--cache-dir"),
    (dataclasses.replace(FACTS, folders=(Folder("/cache", 0, 50 * GIB, False),)), "not-writable", "--output"),
    (on(gpus=("H100",)), "gpu-unused", "build for your version of CUDA"),
    (with_software(**CUDA), "cuda-without-gpu", "nvidia-smi"),
    (with_environment(KERAS_BACKEND="jax"), "unknown-keras-backend", "KERAS_BACKEND=tensorflow"),
    (with_software(keras_values={"backend": "jax"}), "unknown-keras-backend", "KERAS_BACKEND=tensorflow"),
    (with_environment(KERAS_BACKEND="torch"), "two-keras-backends", "--backend decides"),
    (with_software(keras_values={"floatx": "float64"}), "unusual-keras-config", "another model"),
    (on(cpu_quota=1.5), "cpu-quota", "--threads 1,"),
    (dataclasses.replace(FACTS, threads=16), "too-many-threads", "--threads 8,"),
    (with_environment(OMP_NUM_THREADS="9"), "too-many-threads", "--threads 8,"),
    (on(load=7.5), "busy-machine", "--threads 1"),
]


@pytest.mark.parametrize(("facts", "name", "cure"), TROUBLES, ids=lambda value: value if isinstance(value, str) else "")
def test_a_known_trouble_is_found_and_nothing_else(facts: Facts, name: str, cure: str) -> None:
    (found,) = problems.find(facts)
    assert found.name == name
    assert cure in found.cure


HARMLESS = [
    FACTS,
    with_environment(KERAS_BACKEND="tensorflow"),
    with_software(versions={**SOFTWARE.versions, "keras": "3.15"}),
    dataclasses.replace(on(cpu_quota=2.0), threads=2),
    dataclasses.replace(on(load=7.5), threads=1),
    dataclasses.replace(with_software(**CUDA), machine=dataclasses.replace(MACHINE, gpus=("H100",))),
    dataclasses.replace(on(has_avx=False), software=dataclasses.replace(SOFTWARE, versions={"tensorflow": None})),
    on(has_avx=None, memory_available=None, memory=None, shared_memory=None),
]


@pytest.mark.parametrize("facts", HARMLESS)
def test_what_is_harmless_is_not_reported(facts: Facts) -> None:
    assert problems.find(facts) == []


def write(root: Path, **files: str) -> Path:
    for name, content in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


def test_the_tightest_limit_of_nested_control_groups_counts(tmp_path: Path) -> None:
    (tmp_path / "sys/fs/cgroup/pod/box").mkdir(parents=True)
    write(tmp_path, proc__self__cgroup="0::/pod/box\n")
    assert (machine.cpu_quota(tmp_path), machine.memory_limit(tmp_path)) == (None, (None, 0))
    for folder, quota, memory, used in (("pod", "150000 100000", "1000", "400"), ("pod/box", "300000 100000", "max", "300")):
        place = tmp_path / "sys/fs/cgroup" / folder
        for name, content in (("cpu.max", quota), ("memory.max", memory), ("memory.current", used)):
            (place / name).write_text(content + "\n")
    assert machine.cpu_quota(tmp_path) == 1.5
    assert machine.memory_limit(tmp_path) == (1000, 400)


def test_the_older_control_groups_are_read_too(tmp_path: Path) -> None:
    cpu, memory = tmp_path / "sys/fs/cgroup/cpu/box", tmp_path / "sys/fs/cgroup/memory"
    cpu.mkdir(parents=True)
    memory.mkdir()
    write(tmp_path, proc__self__cgroup="4:memory:/\n2:cpu,cpuacct:/box\n0::/\n")
    (cpu / "cpu.cfs_quota_us").write_text("50000\n")
    (cpu / "cpu.cfs_period_us").write_text("100000\n")
    (memory / "memory.limit_in_bytes").write_text("2000\n")
    (memory / "memory.usage_in_bytes").write_text("500\n")
    assert machine.cpu_quota(tmp_path) == 0.5
    assert machine.memory_limit(tmp_path) == (2000, 500)
    (cpu / "cpu.cfs_quota_us").write_text("-1\n")
    assert machine.cpu_quota(tmp_path) is None


@pytest.mark.parametrize(
    ("version", "minimum", "older"),
    [
        ("3.9", "3.15", True),
        ("3.15", "3.15", False),
        ("3.15.1", "3.15", False),
        ("2.13.0+cpu", "2.13", False),
        ("2.0.0rc1", "2.1", True),
    ],
)
def test_versions_are_compared_by_number(version: str, minimum: str, older: bool) -> None:
    assert software.is_older(version, minimum) is older


def test_a_broken_keras_configuration_is_no_reason_to_fail(tmp_path: Path) -> None:
    (tmp_path / "keras.json").write_text("[")
    assert software.look({"KERAS_HOME": str(tmp_path)}).keras_config is None
    (tmp_path / "keras.json").write_text('{"backend": "jax"}')
    assert software.look({"KERAS_HOME": str(tmp_path)}).keras_values == {"backend": "jax"}
