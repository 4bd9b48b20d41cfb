"""TensorBoard and MLflow get what metrics.jsonl says, each step once, whatever happened to the run; and they can't harm it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import TESTS, Answer, python, unikeras

from unikeras import run as run_files
from unikeras import sinks
from unikeras.events import Event, Notice, Progress, Rewound, Saved, Started
from unikeras.run import Run, load_run
from unikeras.settings import Settings
from unikeras.sinks import _feed, base

OPTIONS: dict[str, Any] = {
    "model": "mlp", "dataset": "random:8x8x3:3:60", "batch_size": 8, "epochs": 2, "log_every": 1, "checkpoint_every": "3steps",
}  # fmt: skip


def train(folder: Path, *more: object, backend: str = "native-torch", faults: str = "", **changes: Any) -> Answer:
    options = {**OPTIONS, **changes}
    words = [str(part) for name, value in options.items() for part in (f"--{name.replace('_', '-')}", value)]
    return unikeras("train", "--backend", backend, *words, "--output", folder, *more, UNIKERAS_FAULTS=faults)


def read_tensorboard(folder: Path) -> dict[str, Any]:
    command = [sys.executable, "-P", str(TESTS / "probes" / "read_tensorboard.py"), str(folder / run_files.TENSORBOARD)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    line = next(line for line in done.stdout.splitlines() if line.startswith("found "))
    return dict(json.loads(line.removeprefix("found ")))


def read_mlflow(uri: str, run_id: str) -> Any:
    """MLflow's own run, and the history of each metric as [step, value]."""
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    found = client.get_run(run_id)
    history = {
        name: sorted((metric.step, metric.value) for metric in client.get_metric_history(run_id, name))
        for name in found.data.metrics
    }
    files = {file.path for file in client.list_artifacts(run_id)}
    return found, history, files


def mlflow_id(folder: Path) -> str:
    return str(json.loads((folder / run_files.MLFLOW).read_text())["run_id"])


def expected(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """What metrics.jsonl and result.json say, by tag."""
    finished = load_run(folder)
    values: dict[str, list[tuple[int, float]]] = {}
    for row in finished.metrics:
        for name in ("loss", "accuracy", "learning_rate") if row["kind"] == "step" else ():
            values.setdefault(f"step/{name}", []).append((row["step"], row[name]))
        for name in set(row) - {"kind", "epoch", "step", "train_seconds", "test_seconds"} if row["kind"] == "epoch" else ():
            values.setdefault(f"epoch/{name}", []).append((row["epoch"], row[name]))
    for name in base.FINAL:
        values[f"final/{name}"] = [(finished.result["epochs"], finished.result[name])]
    return values


def require_equal(found: dict[str, Any], folder: Path) -> None:
    wanted = expected(folder)
    assert set(found) == set(wanted)
    for tag, points in wanted.items():
        assert [place for place, _ in found[tag]] == [place for place, _ in points], tag
        np.testing.assert_allclose([value for _, value in found[tag]], [value for _, value in points], rtol=1e-6, err_msg=tag)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run without sinks; to resume it with one writes what it would have had, without training."""
    folder = tmp_path_factory.mktemp("sinks") / "finished"
    answer = train(folder)
    assert answer.code == 0, answer
    return folder


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URI of a database of MLflow, which takes seconds to make."""
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow')}/mlflow.db"


@pytest.fixture
def copy(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "run"))


@pytest.mark.one_backend
@pytest.mark.filterwarnings("default")  # MLflow's own
def test_both_have_what_the_run_measured(backend: str, store: str, tmp_path: Path) -> None:
    folder, uri = tmp_path / "run", store
    answer = train(folder, "--tensorboard", "--mlflow", uri, "--json", backend=backend)
    assert answer.code == 0, answer
    assert len(answer.json["runs"]) == 1, "standard output is JSON alone"
    assert not {"INFO", "Warning"} & set(answer.err.replace(":", " ").split()), "MLflow and alembic say nothing"
    board = read_tensorboard(folder)
    require_equal(board["scalars"], folder)
    assert {name: len(pictures) for name, pictures in board["images"].items()} == {"confusion_matrix": 1, "test_images": 1}
    assert (board["hparams"]["backend"], board["hparams"]["epochs"]) == (backend, 2)
    found, history, files = read_mlflow(uri, mlflow_id(folder))
    require_equal(history, folder)
    assert (found.info.status, found.info.run_name) == ("FINISHED", "run")
    assert (found.data.params["batch_size"], found.data.tags["backend"]) == ("8", backend)
    assert found.data.tags["version.unikeras"]
    assert files == {"result.json", "config.yaml"}


@pytest.mark.filterwarnings("default")
def test_after_a_kill_and_a_resume_each_step_is_there_once(store: str, tmp_path: Path) -> None:
    folder, uri = tmp_path / "run", store
    tracked = ("--tensorboard", "--mlflow", uri)
    answer = train(folder, *tracked, faults="kill:step:12")
    assert answer.code == 1, answer
    first = mlflow_id(folder)
    found, history, _ = read_mlflow(uri, first)
    assert found.info.status == "KILLED"
    assert [step for step, _ in history["step/loss"]] == list(range(1, 10)), "what is after the checkpoint may come otherwise"
    before = read_tensorboard(folder)["scalars"]["step/loss"]
    assert len(before) > 9, "rows after the last checkpoint, at step 9, were to be there already"
    answer = unikeras("resume", folder, "--epochs", 3, *tracked)
    assert answer.code == 0, answer
    assert mlflow_id(folder) == first
    require_equal(read_tensorboard(folder)["scalars"], folder)
    found, history, _ = read_mlflow(uri, first)
    require_equal(history, folder)
    assert (found.data.params["epochs"], found.data.tags["resumed.epochs"]) == ("2", "3")
    assert found.info.status == "FINISHED"


@pytest.mark.long
def test_a_finished_run_can_be_written_afterwards_and_again(copy: Path) -> None:
    for _ in range(2):
        answer = unikeras("resume", copy, "--tensorboard")
        assert answer.code == 0, answer
        board = read_tensorboard(copy)
        require_equal(board["scalars"], copy)
        assert board["files"] == 1


def test_a_sink_that_fails_is_left_with_a_notice(copy: Path) -> None:
    (copy / run_files.TENSORBOARD).write_text("in the way")
    answer = unikeras("resume", copy, "--tensorboard", "--epochs", 3)
    assert answer.code == 0, answer
    assert "--tensorboard has failed and gets no more of this run, which goes on:" in answer.out + answer.err
    assert load_run(copy).result["epochs"] == 3


def test_a_full_disk_below_a_sink_does_not_stop_the_training(copy: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", str(disk)], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("mounting is not permitted here")
    try:
        (copy / run_files.TENSORBOARD).symlink_to(disk)
        answer = unikeras("resume", copy, "--tensorboard", "--epochs", 12, "--checkpoint-every", "1epoch")
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)
    assert answer.code == 0, answer
    assert "--tensorboard has failed and gets no more of this run, which goes on:" in answer.out + answer.err
    assert "No space left on device" in answer.out + answer.err
    assert "Traceback" not in answer.err
    assert load_run(copy).result["epochs"] == 12


@pytest.mark.parametrize(
    ("package", "extra", "value"), [("tensorboardX", "tensorboard", True), ("alembic", "mlflow", "sqlite:///x")]
)
def test_a_missing_package_is_said_before_training(package: str, extra: str, value: object, tmp_path: Path) -> None:
    code = f"import sys, unikeras; sys.modules[{package!r}] = None; unikeras.train({extra}={value!r}, output='run')"
    answer = python(code, cwd=tmp_path)
    assert f"--{extra} needs {package}, which is not installed here.\npip install 'unikeras[{extra}]'" in answer.err, answer
    assert not list(tmp_path.iterdir())


def test_the_extras_are_what_the_sinks_need() -> None:
    extras = tomllib.loads((TESTS.parent / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    distributions = {"mlflow": "mlflow-skinny"}
    for name, kind in sinks.KINDS.items():
        named = {requirement.partition(">")[0] for requirement in extras[name]}
        assert named == {distributions.get(package, package) for package in kind.packages}


def test_neither_imports_a_framework_nor_asks_the_network(copy: Path, store: str) -> None:
    code = f"""
import sys, unikeras
asked = []
sys.addaudithook(lambda event, details: asked.append(details) if event in ("socket.connect", "socket.getaddrinfo") else None)
run = unikeras.resume({str(copy)!r}, tensorboard=True, mlflow={store!r})
print(run.result["epochs"], sorted(name for name in ("torch", "tensorflow", "keras", "jax") if sys.modules.get(name, 0) != 0))
print(asked)
"""
    answer = python(code)
    assert answer.out.splitlines()[-2:] == ["2 []", "[]"], answer
    assert (copy / run_files.TENSORBOARD).is_dir()
    assert (copy / run_files.MLFLOW).is_file()


def damage_id(folder: Path) -> None:
    (folder / run_files.MLFLOW).write_text('{"run_id": "../../x"}')


def other_id(folder: Path) -> None:
    (folder / run_files.MLFLOW).write_text(json.dumps({"run_id": "0" * 32}))


def no_id(folder: Path) -> None:
    pass


@pytest.mark.parametrize(
    ("prepare", "uri", "words"),
    [
        (damage_id, "{store}", "mlflow.json is damaged: '../../x' is no MLflow run."),
        (other_id, "{store}", "mlflow.db has no MLflow run 00000000000000000000000000000000, which"),
        (no_id, "sqlite:///{run}/metrics.jsonl", "can't be used: file is not a database."),
        (no_id, "http://127.0.0.1:9", "--mlflow http://127.0.0.1:9 can't be used: nothing answers there (Connection refused)."),
        (no_id, "http://127.0.0.1:x", "can't be used: nothing answers there (Port could not be cast to integer"),
        (no_id, "", "--mlflow can't be ''."),
        (no_id, "nonsense://there", "--mlflow can't be 'nonsense://there'."),
        (no_id, "x:y", "--mlflow can't be 'x:y'."),
    ],
    ids=["damaged id", "other store", "no database", "no server", "no port", "empty", "unknown scheme", "no scheme"],
)
def test_an_mlflow_that_cannot_be_used_is_said_before_training(
    prepare: Callable[[Path], None], uri: str, words: str, copy: Path, store: str
) -> None:
    prepare(copy)
    answer = unikeras("resume", copy, "--mlflow", uri.format(store=store, run=copy), "--epochs", 3)
    assert answer.code == 2, answer
    assert words in answer.err
    assert "Traceback" not in answer.err
    assert load_run(copy).result["epochs"] == 2


class Remembering(base.Sink):
    """A third sink."""

    def __init__(self, settled: bool = False, fails_at: int | None = None) -> None:
        self.rows: list[base.Row] = []
        self.settled, self.fails_at, self.closed = settled, fails_at, False  # type: ignore[misc]

    def begin(self) -> None:
        self.rows = []

    def add(self, rows: list[base.Row]) -> None:
        for row in rows:
            if row["step"] == self.fails_at:
                raise OSError(28, "No space left on device")
            self.rows.append(row)

    def finish(self, finished: Run, examples: Callable[[], base.Examples]) -> None:
        pass

    def close(self) -> None:
        self.closed = True


def fed(folder: Path, **named: Remembering) -> tuple[_feed.Feed, list[Event]]:
    notices: list[Event] = []
    feed = _feed.Feed(folder, notices.append)
    feed.sinks.update(named)
    return feed, notices


STEP = {"kind": "step", "epoch": 1}
HERE = Progress(1, 1, 1.0, None, None)


def write(folder: Path, *steps: int, half: str = "") -> None:
    lines = [json.dumps({**STEP, "step": step}) + "\n" for step in steps]
    (folder / run_files.METRICS).write_text("".join(lines) + half)


def test_rows_arrive_as_they_are_written_and_half_a_row_waits(tmp_path: Path) -> None:
    sink = Remembering()
    feed, _ = fed(tmp_path, sink=sink)
    write(tmp_path, 1, half='{"kind": "st')
    feed.on_event(HERE)
    assert [row["step"] for row in sink.rows] == [1]
    write(tmp_path, 1, 2)
    feed.on_event(HERE)
    assert [row["step"] for row in sink.rows] == [1, 2]


@pytest.mark.parametrize("event", [Rewound(), Started("cpu", 1, 1, "", {})], ids=["rollback", "new worker"])
def test_after_rows_were_removed_all_come_again(event: Event, tmp_path: Path) -> None:
    sink = Remembering()
    feed, _ = fed(tmp_path, sink=sink)
    write(tmp_path, 1, 2, 3)
    feed.on_event(HERE)
    write(tmp_path, 1, 20)
    feed.on_event(event)
    feed.on_event(HERE)
    assert [row["step"] for row in sink.rows] == [1, 20]


def test_a_settled_sink_gets_rows_that_a_checkpoint_counts_on(tmp_path: Path) -> None:
    sink = Remembering(settled=True)
    feed, _ = fed(tmp_path, sink=sink)
    write(tmp_path, 1, 2, 3)
    feed.on_event(HERE)
    assert sink.rows == []
    feed.on_event(Saved(1, 2))
    assert [row["step"] for row in sink.rows] == [1, 2]
    write(tmp_path, 1, 2, 3, half=json.dumps({"kind": "epoch", "epoch": 1, "step": 3}) + "\n")
    feed.on_event(Saved(1, 3))
    assert [row["kind"] for row in sink.rows] == ["step"] * 3, "the checkpoint after step 3 came before the epoch's row"
    feed.on_event(Saved(2, 3))
    assert [row["kind"] for row in sink.rows] == ["step"] * 3 + ["epoch"]


def test_one_sink_that_fails_leaves_the_others_alone(tmp_path: Path) -> None:
    bad, good = Remembering(fails_at=2), Remembering()
    feed, notices = fed(tmp_path, bad=bad, good=good)
    write(tmp_path, 1, 2, 3)
    feed.on_event(HERE)
    write(tmp_path, 1, 2, 3, 4)
    feed.on_event(HERE)
    feed.close()
    assert [row["step"] for row in good.rows] == [1, 2, 3, 4]
    assert good.closed
    assert [row["step"] for row in bad.rows] == [1]
    (notice,) = notices
    assert isinstance(notice, Notice)
    assert notice.text.startswith("--bad has failed and gets no more of this run, which goes on: ")


def test_hyper_parameters_are_the_settings_that_are_given_without_places() -> None:
    found = base.hyper_parameters(Settings(output=Path("x"), data_dir=Path("y")))
    assert found["optimizer"] == "adam"
    assert not {"output", "data_dir", "cache_dir", "weight_decay"} & set(found)
