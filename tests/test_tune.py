"""`unikeras tune`: what it searches, what it finds, what it gives up, and that it goes on after whatever has stopped it."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from support import Answer, unikeras

import unikeras as uk
from unikeras import run, run_lock
from unikeras.events import Notice
from unikeras.settings import Settings
from unikeras.tune_request import parse_duration
from unikeras.tune_space import Choice, Range, parse
from unikeras.tune_trials import News, Trials

OPTIONS = [
    "--backend", "native-torch", "--model", "mlp", "--dataset", "random:8x8x3:3:60", "--batch-size", "20", "--threads", "1",
]  # fmt: skip


def tune(folder: Path, *arguments: Any, **environment: str) -> Answer:
    return unikeras("tune", *OPTIONS, *arguments, "--output", folder, **environment)


def epoch_rows(folder: Path) -> list[dict[str, Any]]:
    return [row for row in map(json.loads, (folder / run.METRICS).read_text().splitlines()) if row["kind"] == "epoch"]


# --- what is searched ----------------------------------------------------------------------------------------------------


def test_a_space_has_the_type_of_its_setting() -> None:
    texts = ["learning-rate=1e-4:1e-1:log", "batch_size=16:64", "optimizer=adam,sgd", "clip_norm=none,1"]
    assert parse(texts, Settings()) == (
        Range("learning_rate", 1e-4, 1e-1, log=True),
        Range("batch_size", 16, 64, log=False),
        Choice("optimizer", ("adam", "sgd")),
        Choice("clip_norm", (None, 1.0)),
    )
    assert parse(["augment=none,flip"], Settings()) == (Choice("augment", ("none", "flip")),)


BAD = {
    "learning_rat=1,2": ("Unknown setting learning_rat in --search", "Did you mean learning_rate?"),
    "learning_rate": ("--search can't be 'learning_rate'", "NAME=LOW:HIGH:log"),
    "learning_rate=": ("--search can't be 'learning_rate='", "NAME=VALUE,VALUE"),
    "learning_rate=0:1": ("--search learning_rate can't be '0'", "a number > 0"),
    "learning_rate=1:0.1": ("is empty: 1 is not below 0.1", "lower end first"),
    "learning_rate=1:1": ("is empty", "lower end first"),
    "learning_rate=1e-3:1:ln": ("can't be '1e-3:1:ln'", "NAME=LOW:HIGH:log"),
    "learning_rate=nan:1": ("can't be 'nan'", "a number > 0"),
    "learning_rate=0.1": ("has one value, and nothing to search", "--learning-rate 0.1"),
    "weight_decay=0:1:log": ("begins at 0, which has no logarithm", "weight_decay=1e-5:1:log"),
    "weight_decay=none:1": ("can't be 'none'", "a number ≥ 0"),
    "batch_size=0.5:64": ("--search batch_size can't be '0.5'", "a whole number ≥ 1"),
    "batch_size=32,none": ("--search batch_size can't be 'none'", "a whole number ≥ 1"),
    "batch_size=32,32": ("names 32 twice", "once"),
    "label_smoothing=0:1": ("--search label_smoothing can't be '1'", "< 1"),
    "optimizer=adam,lion": ("--search optimizer can't be 'lion'", "momentum"),
    "optimizer=adam:sgd": ("--search optimizer can't be 'adam:sgd'", "momentum"),
    "backend=torch,jax": ("jax", "native-torch"),
    "output=a,b": ("can't have output: each trial has a folder of its own", "learning_rate"),
    "threads=1,2": ("can't have threads: it changes nothing of what is trained", "learning_rate"),
    "dataset=digits,other": ("can't have dataset: results on other data can't be compared", "learning_rate"),
}


@pytest.mark.parametrize("text", BAD)
def test_a_bad_space_is_refused(text: str) -> None:
    message, cure = BAD[text]
    with pytest.raises(uk.UnikerasError) as caught:
        parse([text], Settings())
    assert caught.value.exit_code == 2
    assert message in caught.value.message
    assert cure in caught.value.cure


def test_a_setting_is_searched_once_and_not_given_too(tmp_path: Path) -> None:
    with pytest.raises(uk.SettingsError, match="names seed twice"):
        parse(["seed=1,2", "seed=3,4"], Settings())
    answer = tune(tmp_path / "s", "--search", "batch_size=1,2")
    assert answer.code == 2
    assert "--batch-size is given, and searched too" in answer.err
    answer = tune(tmp_path / "s")
    assert answer.code == 2
    assert "Nothing is searched" in answer.err
    assert not (tmp_path / "s").exists()


# --- a search ------------------------------------------------------------------------------------------------------------

SEARCH = ["--search", "learning_rate=1e-8:1e-1:log", "--search", "optimizer=adam,sgd"]
COMMON = [*SEARCH, "--epochs", "2", "--metric", "test_loss", "--seed", "3"]


@pytest.fixture(scope="module")
def search(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Answer]:
    """Eight trials, in two commands; the answer is that of the second."""
    folder = tmp_path_factory.mktemp("tune") / "search"
    answer = tune(folder, *COMMON, "--trials", 3)
    assert answer.code == 0, answer
    (folder.parent / "printed").write_text(answer.out)
    answer = tune(folder, *COMMON, "--trials", 8, "--json", "--report", folder.parent / "report.html")
    assert answer.code == 0, answer
    return folder, answer


def test_each_trial_is_a_line_and_an_ordinary_run(search: tuple[Path, Answer]) -> None:
    folder, answer = search
    lines = (folder.parent / "printed").read_text().splitlines()
    trials = [line for line in lines if line.startswith("trial ")]
    assert [line.split()[1] for line in trials] == ["1/3", "2/3", "3/3"]
    assert all("learning_rate" in line and "test loss" in line and "best" in line for line in trials)
    for trial in answer.json["trials"]:
        path = Path(trial["run"])
        assert path == folder / "trials" / f"{trial['number']:04d}"
        if trial["state"] == "complete":
            found = uk.load_run(path)
            assert found.result["test_loss"] == trial["value"]
            assert found.settings.learning_rate == trial["settings"]["learning_rate"]


def test_the_best_trial_has_the_lowest_loss_and_its_command_repeats_it(search: tuple[Path, Answer], tmp_path: Path) -> None:
    result = search[1].json
    values = {trial["number"]: trial["value"] for trial in result["trials"] if trial["value"] is not None}
    assert result["best"]["value"] == min(values.values())
    program, *words = shlex.split(result["command"])
    assert program == "unikeras"
    answer = unikeras(*words, "--json", cwd=tmp_path)
    assert answer.code == 0, answer
    assert answer.json["runs"][0]["test_loss"] == result["best"]["value"]


def test_a_trial_behind_the_median_is_given_up_and_can_be_resumed(search: tuple[Path, Answer]) -> None:
    result = search[1].json
    pruned = [trial for trial in result["trials"] if trial["state"] == "pruned"]
    assert pruned
    for trial in pruned:
        (epoch, value) = trial["curve"][-1]
        before = [other for other in result["trials"] if other["number"] < trial["number"]]
        reached = sorted(dict(other["curve"])[epoch] for other in before if other["state"] == "complete")
        assert len(reached) >= 5
        assert value > (reached[(len(reached) - 1) // 2] + reached[len(reached) // 2]) / 2
        assert trial["value"] is None
    answer = unikeras("resume", pruned[0]["run"], "--json")
    assert answer.code == 0, answer
    assert answer.json["runs"][0]["epochs"] == 2


def test_the_report_has_the_command_the_importances_and_every_trial(search: tuple[Path, Answer]) -> None:
    folder, answer = search
    page, result = (folder.parent / "report.html").read_text(), answer.json
    assert sorted(result["importances"]) == ["learning_rate", "optimizer"]
    assert sum(result["importances"].values()) == pytest.approx(1)
    for name, share in result["importances"].items():
        assert re.search(rf'<th scope="row">{name}</th><td>{share:.0%}</td>', page), name
    assert result["command"] in page
    assert all(f"trials/<wbr>{trial['number']:04d}" in page for trial in result["trials"])
    assert '"all together"' in page
    assert not re.search(r'(src|href)="http', page)


def test_a_changed_search_is_refused(search: tuple[Path, Answer]) -> None:
    folder = search[0]
    answer = tune(folder, *COMMON, "--search", "augment=none,flip", "--trials", 9)
    assert answer.code == 2
    assert "--search augment not given, and now it is none,flip" in answer.err
    answer = tune(folder, *COMMON, "--epochs", 3, "--no-prune", "--trials", 9)
    assert answer.code == 2
    assert "--epochs 2, and now it is 3, --prune on, and now it is off" in answer.err
    assert not (folder / "trials" / "0009").exists()


# --- what stops it -------------------------------------------------------------------------------------------------------


def test_a_killed_search_goes_on_with_the_same_trial(tmp_path: Path) -> None:
    folder = tmp_path / "search"
    words = ["--search", "learning_rate=1e-3,1e-2", "--epochs", 20, "--no-prune", "--trials", 2]
    answer = tune(folder, *words, UNIKERAS_FAULTS="kill-parent:step:8")
    assert answer.code == -signal.SIGKILL
    assert not (folder / "trials" / "0001" / run.RESULT).exists()
    answer = tune(folder, *words, "--json")
    assert answer.code == 0, answer
    trials = answer.json["trials"]
    assert [trial["state"] for trial in trials] == ["complete", "complete"]
    assert {trial["settings"]["learning_rate"] for trial in trials} == {1e-3, 1e-2}
    for trial in trials:
        epochs = [row["epoch"] for row in epoch_rows(Path(trial["run"]))]
        assert epochs == [epoch for epoch, _ in trial["curve"]] == list(range(1, 21))
    assert [processes(folder, name) for name in ("0001", "0002")] == [2, 1]


def processes(folder: Path, name: str) -> int:
    """How many have worked on a trial."""
    return len(json.loads((folder / "trials" / name / run.PROVENANCE).read_text())["history"])


def test_two_commands_do_not_work_on_one_search(tmp_path: Path) -> None:
    with run_lock.hold(tmp_path):
        answer = tune(tmp_path, "--search", "seed=1,2")
    assert answer.code == 2
    assert f"Another command is at work on {tmp_path} (process {os.getpid()})" in answer.err


@pytest.mark.long
def test_ctrl_c_saves_and_says_how_to_go_on(tmp_path: Path) -> None:
    """Two trials side by side, which would take long; the command that is printed goes on with both."""
    folder = tmp_path / "search"
    words = ["--search", "learning_rate=1e-3,1e-2", "--epochs", 10000, "--trials", 2, "--jobs", 2, "--output", folder]
    options = [word.replace(":60", ":6000") for word in OPTIONS]
    command = [sys.executable, "-P", "-m", "unikeras", "tune", *options, *map(str, words)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 200
    while not all((folder / "trials" / name / run.METRICS).is_file() for name in ("0001", "0002")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=100)
    assert process.returncode == 130, err
    assert "with 2 trials under way" in err
    assert [processes(folder, name) for name in ("0001", "0002")] == [1, 1]
    (printed,) = re.findall(r"Go on with: (unikeras .*)", err)
    answer = unikeras(*shlex.split(printed)[1:], "--timeout", "8s")
    assert answer.code == 1, answer
    assert "No trial has come to its end: 2 were started." in answer.err
    assert answer.err.rstrip().endswith(printed)
    assert [processes(folder, name) for name in ("0001", "0002")] == [2, 2]


@pytest.mark.long
def test_the_same_seed_tries_the_same_settings(search: tuple[Path, Answer], tmp_path: Path) -> None:
    """That search was made in two commands, and this one is made in one."""
    answer = tune(tmp_path / "again", *COMMON, "--trials", 4, "--json")
    assert answer.code == 0, answer
    before = search[1].json["trials"][:4]
    assert [(t["settings"], t["value"]) for t in answer.json["trials"]] == [(t["settings"], t["value"]) for t in before]


def test_a_trial_that_diverges_has_failed_and_the_search_ends_when_all_is_tried(tmp_path: Path) -> None:
    answer = tune(tmp_path / "s", "--search", "learning_rate=1e30,1e-2", "--optimizer", "sgd", "--epochs", 2, "--trials", 9)
    assert answer.code == 0, answer
    assert re.search(r"trial ./9  learning_rate 1e\+30  failed: .*(not finite|no finite|no longer finite|nan)", answer.out), (
        answer
    )
    assert "all combinations have been tried" in answer.out
    assert "of 2 trials: 1 complete, 1 failed" in answer.out


def test_all_failing_is_exit_code_1(tmp_path: Path) -> None:
    answer = tune(tmp_path / "s", "--search", "learning_rate=1e30,1e31", "--optimizer", "sgd", "--epochs", 2, "--trials", 2)
    assert answer.code == 1
    assert "All 2 trials failed. Trial 1:" in answer.err


def test_a_wrong_input_ends_the_search_at_once(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("def build(input_shape, num_classes):\n    return 1\n")
    (tmp_path / "bad_torch.py").write_text("def build(input_shape, num_classes):\n    return 1\n")
    answer = unikeras(
        "tune", "--model", tmp_path / "bad.py", "--dataset", "random:8x8x3:3:60", "--backend", "native-torch",
        "--search", "seed=1,2", "--output", tmp_path / "s",
    )  # fmt: skip
    assert answer.code == 2, answer
    assert "bad_torch.py" in answer.err
    assert not (tmp_path / "s" / "trials" / "0002").exists()


def test_the_time_is_over_although_news_keep_coming() -> None:
    """Epochs of a few milliseconds end faster than they are noted down."""
    trials = Trials()
    for _ in range(3):
        trials._news.put(News(1, Notice("an epoch has ended")))
    assert trials.next_news(time.monotonic() + 60) is not None
    assert trials.next_news(time.monotonic() - 1) is None
    assert trials.next_news(None) is not None


def test_the_time_is_over_and_what_was_under_way_is_saved(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    answer = tune(folder, "--search", "seed=1,2", "--epochs", 100000, "--timeout", "3s", "--checkpoint-every", "1000epochs")
    assert answer.code == 1
    assert "No trial has come to its end: 1 were started." in answer.err
    assert f"--output {folder}" in answer.err
    assert run.checkpoint_paths(folder / "trials" / "0001" / run.CHECKPOINTS)


def test_a_folder_that_is_no_search_or_a_damaged_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("Dear")
    answer = tune(tmp_path, "--search", "seed=1,2", "--epochs", 1)
    assert answer.code == 2
    assert "holds files already, and they are no search" in answer.err
    (tmp_path / "letter.txt").unlink()
    answer = tune(tmp_path, "--search", "seed=1,2", "--epochs", 1, "--trials", 1)
    assert answer.code == 0, answer
    (tmp_path / "study.db").write_text("no database " * 1000)
    answer = tune(tmp_path, "--search", "seed=1,2", "--epochs", 1, "--trials", 2)
    assert answer.code == 2
    assert "study.db can't be used: " in answer.err
    assert "Traceback" not in answer.err


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("30m", 1800), ("1.5h", 5400)])
def test_a_time_limit_is_given_in_seconds_minutes_or_hours(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["30", "0s", "-1m", "1d", "m", ""])
def test_a_time_limit_without_a_unit_is_refused(text: str) -> None:
    with pytest.raises(uk.SettingsError, match="--timeout can't be"):
        parse_duration(text)


def test_a_missing_optuna_is_said_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "optuna" else object())
    with pytest.raises(uk.BackendError, match="unikeras tune needs optuna") as caught:
        uk.tune({"seed": [1, 2]}, backend="native-torch", output=tmp_path / "s", quiet=True)
    assert "unikeras[tune]" in caught.value.cure
    assert not (tmp_path / "s").exists()
