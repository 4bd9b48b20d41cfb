"""Processes end as they should: Ctrl-C ends the run and its worker, and a worker never outlives its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import unikeras

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs Linux to see the worker's process")

Training = tuple[subprocess.Popen[str], int]


@pytest.fixture
def training(tmp_path: Path) -> Iterator[Training]:
    """A training that would take minutes, after its first epoch: the command, and the process number of its worker."""
    options = ["--backend", "native-torch", "--model", "mlp", "--dataset", "random:16x16x3:3:2000", "--epochs", "100000"]
    command = [sys.executable, "-P", "-m", "unikeras", "train", *options, "--output", str(tmp_path / "run")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if "epoch" in line and "test accuracy" in line:
            break
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    workers = [int(child) for child in children if b"unikeras.worker" in Path(f"/proc/{child}/cmdline").read_bytes()]
    assert len(workers) == 1
    yield process, workers[0]
    process.kill()
    process.communicate()


def gone(pid: int, seconds: float = 10.0) -> bool:
    """Whether the process ends within some seconds; one that only waits to be collected has ended."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.05)
    return False


def test_ctrl_c_ends_the_run_and_its_worker(training: Training, tmp_path: Path) -> None:
    process, worker = training
    os.kill(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Interrupted" in errors
    assert "Traceback" not in errors
    assert gone(worker)
    assert unikeras("evaluate", tmp_path / "run").code == 2, "an interrupted run doesn't look complete"


def test_a_worker_ends_with_its_parent(training: Training) -> None:
    process, worker = training
    process.kill()
    assert gone(worker)


def test_the_parent_notices_a_killed_worker(training: Training) -> None:
    process, worker = training
    os.kill(worker, signal.SIGKILL)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "The worker process died: SIGKILL" in errors
