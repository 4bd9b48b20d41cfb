"""Ctrl-C, SIGTERM, dead and silent workers, two commands, a full disk, too little memory: each ends as the documentation says."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support import MODEL_FILES, Answer, python, unikeras
from trainings import Trainings, TrainingsOn, outcome

from unikeras import faults, run

linux = pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs Linux to see the worker's process")

OPTIONS: dict[str, Any] = {"model": "mlp", "dataset": "random:8x8x1:3:64", "batch_size": 8, "epochs": 12, "log_every": 5}
Start = Callable[..., subprocess.Popen[str]]


def command(folder: Path, backend: str = "native-torch", **changes: Any) -> list[str]:
    options = {**OPTIONS, **changes}
    words = [str(part) for name, value in options.items() for part in (f"--{name.replace('_', '-')}", value)]
    return ["train", "--backend", backend, *words, "--output", str(folder)]


@pytest.fixture(scope="session")
def unbroken(trainings_on: TrainingsOn, tmp_path_factory: pytest.TempPathFactory) -> Path:
    trainings = trainings_on("native-torch")
    folder = tmp_path_factory.mktemp("unbroken") / "run"
    trainings.finish(folder, trainings.settings(**OPTIONS))
    return folder


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts commands that would take long; they are gone afterwards."""
    started: list[subprocess.Popen[str]] = []

    def popen(arguments: list[str]) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "unikeras", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        started.append(process)
        return process

    yield popen
    for process in started:
        process.kill()
        process.communicate()


def after_first_epoch(process: subprocess.Popen[str]) -> subprocess.Popen[str]:
    assert process.stdout is not None
    for line in process.stdout:
        if "test accuracy" in line:
            return process
    assert process.stderr is not None
    raise AssertionError(process.stderr.read())


def worker_of(process: subprocess.Popen[str]) -> int:
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    (worker,) = [int(child) for child in children if b"unikeras.worker" in Path(f"/proc/{child}/cmdline").read_bytes()]
    return worker


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["ctrl-c", "sigterm"])
def test_a_signal_finishes_the_step_saves_and_says_how_to_go_on(
    number: signal.Signals, code: int, start: Start, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    process = after_first_epoch(start(command(folder, epochs=100000)))
    time.sleep(0.3)
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == code, errors
    assert "Interrupted: training stopped after step" in errors
    assert f"Go on with: unikeras resume {folder}" in errors
    step = int(errors.partition("after step ")[2].split()[0])
    newest = run.checkpoint_paths(folder / run.CHECKPOINTS)[0]
    assert run.checkpoint_step(newest) == step
    again = start(["resume", str(folder)])
    assert again.stdout is not None
    assert any(f"step {step}, checksum ok" in line for line in again.stdout)


@linux
def test_the_second_ctrl_c_ends_at_once(start: Start, tmp_path: Path) -> None:
    process = after_first_epoch(start(command(tmp_path / "run", epochs=100000)))
    worker = worker_of(process)
    os.kill(worker, signal.SIGSTOP)  # it will not heed the first one
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=5)
    assert process.returncode == 130
    assert "Interrupted" in errors
    assert "Traceback" not in errors


def test_an_interrupted_run_of_several_backends_is_resumed_by_the_same_command(start: Start, tmp_path: Path) -> None:
    arguments = command(tmp_path / "runs", epochs=100000)
    arguments[2] = "native-torch,native-tensorflow"
    process = after_first_epoch(start(arguments))
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    config = tmp_path / "runs" / "native-torch" / "config.yaml"
    expected = f"unikeras train --config {config} --backend native-torch,native-tensorflow --output {tmp_path / 'runs'}"
    assert f"Go on with: {expected}" in " ".join(errors.split())


@linux
def test_a_killed_worker_is_started_again_and_leaves_no_trace(start: Start, tmp_path: Path, unbroken: Path) -> None:
    """Each worker dies after 40 steps; it has saved four epochs by then."""
    folder = tmp_path / "run"
    answer = unikeras(*command(folder, max_restarts=9), UNIKERAS_FAULTS="kill:step:40")
    assert answer.code == 0, answer
    assert "The worker process died: SIGKILL" in answer.out
    assert "Restart 2 of 9, from the last checkpoint." in " ".join(answer.out.split())
    assert outcome(folder) == outcome(unbroken)


def test_a_worker_that_dies_twice_at_the_same_step_is_not_started_for_ever(tmp_path: Path) -> None:
    answer = unikeras(*command(tmp_path / "run", max_restarts=5), UNIKERAS_FAULTS="kill:step:5")
    assert answer.code == 1
    assert answer.out.count("Restart") == 1
    assert "It is not started again, for it had saved nothing since the last time." in answer.err
    assert f"unikeras resume {tmp_path / 'run'}" in answer.err


def test_a_dead_worker_is_reported_with_where_it_was(tmp_path: Path) -> None:
    answer = unikeras(*command(tmp_path / "run"), UNIKERAS_FAULTS="kill:step:30")
    assert answer.code == 1
    assert "SIGKILL" in answer.err
    assert "It was last seen in epoch" in answer.err
    assert f"`unikeras resume {tmp_path / 'run'}` goes on from the last checkpoint." in answer.err


def test_a_killed_worker_leaves_no_temporary_files(backend: str, tmp_path: Path) -> None:
    """TensorFlow removes its own in exit functions, which a killed process doesn't run."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    answer = unikeras(*command(tmp_path / "run", backend), UNIKERAS_FAULTS="kill:step:5", TMPDIR=str(temporary))
    assert "SIGKILL" in answer.err
    assert not list(temporary.iterdir())


@linux
def test_a_silent_worker_is_ended_and_reported(tmp_path: Path) -> None:
    """A worker that is stopped, as by a debugger, or stuck: its signs of life stop. Three seconds stand for the 300."""
    code = f"""
import os, signal, threading, time
from pathlib import Path
import unikeras
from unikeras import launcher

launcher.SILENT_SECONDS = 3.0

def stop_worker():
    while not list(Path({str(tmp_path)!r}).glob("run/checkpoints/step-*[1-9]*")):
        time.sleep(0.1)
    for child in Path(f"/proc/{{os.getpid()}}/task/{{os.getpid()}}/children").read_text().split():
        os.kill(int(child), signal.SIGSTOP)

threading.Thread(target=stop_worker, daemon=True).start()
options = dict(model="mlp", dataset="random:8x8x1:3:64", batch_size=8, backend="native-torch", quiet=True)
try:
    unikeras.train(epochs=100000, output={str(tmp_path / "run")!r}, **options)
except unikeras.WorkerError as error:
    print(type(error).__name__, error.message)
"""
    answer = python(code)
    assert "WorkerDiedError The worker process gave no sign of life for 3 s, and was ended." in answer.out, answer


def test_a_worker_gives_signs_of_life_while_it_computes(tmp_path: Path) -> None:
    """A step of eight seconds; a parent that allows six of silence waits for it."""
    (tmp_path / "slow.py").write_text((MODEL_FILES / "dropout.py").read_text())
    slow = (MODEL_FILES / "dropout_torch.py").read_text()
    slow = slow.replace("        x =", "        time.sleep(8 if self.training else 0)\n        x =")
    (tmp_path / "slow_torch.py").write_text("import time\n" + slow)
    code = f"""
import unikeras
from unikeras import launcher

launcher.SILENT_SECONDS = 6.0
options = dict(dataset="random:8x8x1:3:8", batch_size=8, epochs=1, backend="native-torch", quiet=True)
unikeras.train(model={str(tmp_path / "slow.py")!r}, output={str(tmp_path / "run")!r}, **options)
"""
    answer = python(code)
    assert answer.code == 0, answer


def test_the_second_command_on_a_run_is_refused(start: Start, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    first = after_first_epoch(start(command(folder, epochs=100000)))
    for arguments in (command(folder, epochs=100000), ["resume", folder]):
        second: Answer = unikeras(*arguments)
        assert second.code == 2, second
        assert f"Another command is at work on {folder} (process {first.pid})." in second.err
    (row,) = unikeras("runs", tmp_path, "--json").json["runs"]
    assert row["state"] == "running"
    assert row["silent_seconds"] < 10
    assert first.poll() is None, "the first one is not disturbed"
    first.kill()
    first.wait()
    third = start(["resume", str(folder)])  # at once: the lock ends with the processes
    assert third.stdout is not None
    assert any("checksum ok" in line for line in third.stdout)


def test_a_killed_command_leaves_no_trace(tmp_path: Path, unbroken: Path) -> None:
    for point in ("step:20", "checkpoint.commit:3"):
        answer = unikeras(*command(tmp_path / "run"), UNIKERAS_FAULTS=f"kill-parent:{point}")
        assert answer.code == -signal.SIGKILL, answer
    answer = unikeras("resume", tmp_path / "run")
    assert answer.code == 0, answer
    assert outcome(tmp_path / "run") == outcome(unbroken)


@pytest.mark.parametrize("error", ["ENOSPC", "EIO", "EACCES"])
def test_a_write_that_fails_ends_with_its_reason_and_loses_nothing(
    error: str, trainings_on: TrainingsOn, tmp_path: Path, unbroken: Path
) -> None:
    trainings = trainings_on("native-torch")
    settings = trainings.settings(**OPTIONS)
    # A row of metrics.jsonl, a checkpoint begun, half of one of its files, and half of the final result.
    for point in ("row:3", "checkpoint.begin:3", "file.half:13", "checkpoint.commit:2"):
        ended = trainings.train(tmp_path / "run", settings, f"{error}:{point}")
        assert ended.error is not None, point
        reason = {"ENOSPC": "No space left on device", "EIO": "Input/output error", "EACCES": "Permission denied"}[error]
        assert f"The run in {tmp_path / 'run'} can't be written: {reason}." in ended.error.message
        assert f"`unikeras resume {tmp_path / 'run'}` goes on from its last checkpoint" in ended.error.cure
        assert ended.error.exit_code == 1
    trainings.finish(tmp_path / "run", settings)
    assert outcome(tmp_path / "run") == outcome(unbroken)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux refuses what it can never give")
def test_running_out_of_memory_is_one_line_with_the_batch_size(trainings: Trainings, tmp_path: Path) -> None:
    settings = trainings.settings(model=MODEL_FILES / "huge.py", dataset="random:8x8x1:3:20000", batch_size=20000, epochs=1)
    ended = trainings.train(tmp_path / "run", settings)
    assert ended.error is not None
    assert ended.error.message == "Memory ran out with --batch-size 20000."
    assert "Try --batch-size 10000" in ended.error.cure
    assert ended.error.exit_code == 1


def test_the_api_raises_a_keyboard_interrupt_that_says_how_to_go_on(tmp_path: Path) -> None:
    code = f"""
import os, signal, threading, time
from pathlib import Path
import unikeras

def interrupt():
    while not list(Path({str(tmp_path)!r}).glob("run/checkpoints/step-*[1-9]*")):
        time.sleep(0.1)
    os.kill(os.getpid(), signal.SIGINT)

threading.Thread(target=interrupt, daemon=True).start()
options = dict(model="mlp", dataset="random:8x8x1:3:64", batch_size=8, backend="native-torch", quiet=True)
try:
    unikeras.train(epochs=100000, output={str(tmp_path / "run")!r}, **options)
except KeyboardInterrupt as interruption:
    print(interruption, interruption.resume)
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
"""
    answer = python(code)
    assert answer.code == 0, answer
    assert "Interrupted: training stopped after step" in answer.out
    assert f"unikeras resume {tmp_path / 'run'}" in answer.out


def test_a_fault_of_this_process_is_counted_and_then_gone() -> None:
    faults.arm("EIO:row:2")
    faults.reach("row")
    faults.reach("step")
    with pytest.raises(OSError, match="Input/output error"):
        faults.reach("row")
    faults.reach("row")
    faults.arm(None)
