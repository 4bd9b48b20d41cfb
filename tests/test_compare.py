"""`unikeras compare`: what differs is shown, and what is more than chance is told from what is not."""

from __future__ import annotations

import json
import shutil
from math import comb
from pathlib import Path

import numpy as np
import pytest
from support import unikeras

import unikeras as uk
from unikeras import predictions
from unikeras import run as run_files
from unikeras.predictions import Predictions
from unikeras.run import load_run
from unikeras.significance import holm, mcnemar

DATA = "random:8x8x3:3:500"  # 100 test images


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Runs by name; `other` has other data."""
    folder = tmp_path_factory.mktemp("compare")
    common = ("--backend", "native-torch", "--model", "mlp", "--quiet")
    runs = {"one": (DATA, 1, 0), "two": (DATA, 2, 3), "other": ("random:8x8x3:3:60", 1, 0)}
    for name, (data, epochs, seed) in runs.items():
        answer = unikeras("train", *common, "--dataset", data, "--epochs", epochs, "--seed", seed, "--output", folder / name)
        assert answer.code == 0, answer
    return {name: folder / name for name in runs}


@pytest.fixture
def copies(trained: dict[str, Path], tmp_path: Path) -> list[Path]:
    """Three runs to plant predictions into."""
    return [Path(shutil.copytree(trained["one"], tmp_path / name)) for name in ("a", "b", "c")]


def plant(folder: Path, right: list[int], label: int = 1) -> None:
    """Predictions for 100 images of one label, right for the images numbered in `right`."""
    finished = load_run(folder)
    predicted = np.zeros(100, np.int64)
    predicted[right] = label
    planted = Predictions(np.full(100, label), predicted, np.ones(100, np.float32))
    predictions.save(finished, finished.provenance["data_hash"], planted)


def test_only_what_differs_is_listed(trained: dict[str, Path]) -> None:
    result = unikeras("compare", trained["one"], trained["two"], "--json").json
    assert result["settings"] == {"epochs": [1, 2], "seed": [0, 3]}
    assert set(result["circumstances"]) == {"initial_weights"}
    assert result["results"]["test_accuracy"] == [load_run(trained[name]).result["test_accuracy"] for name in ("one", "two")]
    assert result["pairs"] is None
    words = unikeras("compare", trained["one"], trained["two"]).out
    assert f"A  {trained['one']}" in words
    assert next(line.split() for line in words.splitlines() if line.strip().startswith("epochs")) == ["epochs", "1", "2"]
    assert "optimizer" not in words


def test_the_test_counts_what_two_real_runs_predict(trained: dict[str, Path]) -> None:
    result = uk.compare(trained["one"], uk.load_run(trained["two"]), test=True, quiet=True)
    (pair,) = result["pairs"]
    accuracies = result["results"]["test_accuracy"]
    assert pair["images"] == 100
    assert (pair["only_first"] - pair["only_second"]) / 100 == pytest.approx(accuracies[0] - accuracies[1], abs=1e-9)
    assert (trained["two"] / run_files.PREDICTIONS).is_file()


@pytest.mark.parametrize(
    ("only_first", "only_second", "p", "words"),
    [
        (1, 9, 22 / 1024, "more than chance (p = 0.021)\n       of 100 images only A gets 1 right, only B 9\n"),
        (6, 4, 772 / 1024, "no more than chance (p = 0.75)\n       of 100 images only A gets 6 right, only B 4\n"),
        (0, 5, 2 / 32, "no more than chance (p = 0.062)"),
        (0, 0, 1.0, "no more than chance (p = 1)"),
        (60, 0, 2 / 2**60, "more than chance (p < 0.0001)"),
    ],
)
def test_planted_predictions_give_the_known_p(
    copies: list[Path], only_first: int, only_second: int, p: float, words: str
) -> None:
    both = list(range(90, 100))
    plant(copies[0], both + list(range(only_first)))
    plant(copies[1], both + list(range(only_first, only_first + only_second)))
    answer = unikeras("compare", copies[0], copies[1], "--test")
    assert words in answer.out, answer
    assert "Holm" not in answer.out
    (pair,) = uk.compare(copies[0], copies[1], test=True, quiet=True)["pairs"]
    assert pair["p"] == pair["p_corrected"] == pytest.approx(p, rel=1e-9)


def test_several_pairs_are_corrected(copies: list[Path]) -> None:
    plant(copies[0], [])
    plant(copies[1], list(range(6)))
    plant(copies[2], list(range(6, 13)))
    first, second, third = uk.compare(*copies, test=True, quiet=True)["pairs"]
    assert [first["p"], second["p"]] == [2 / 64, 2 / 128]
    assert [first["p_corrected"], second["p_corrected"]] == [2 * 2 / 64, 3 * 2 / 128]
    assert (first["more_than_chance"], second["more_than_chance"], third["p_corrected"]) == (False, True, 1.0)
    assert "corrected for 3 comparisons by Holm's method" in unikeras("compare", *copies, "--test").out


def test_mcnemar_is_twice_the_binomial_tail() -> None:
    for first in range(12):
        for second in range(12):
            n, k = first + second, min(first, second)
            tail = sum(comb(n, i) for i in range(k + 1)) / 2**n
            assert mcnemar(first, second) == pytest.approx(min(1.0, 2 * tail), rel=1e-9)


def test_holm_steps_down() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([0.2]) == [0.2]


def refused(*arguments: object) -> str:
    answer = unikeras("compare", *arguments, "--json")
    assert (answer.code, answer.out) == (2, ""), answer
    assert "Traceback" not in answer.err
    return answer.err


def test_runs_of_different_data_are_not_tested_but_can_be_looked_at(trained: dict[str, Path]) -> None:
    assert "were trained on different data" in refused(trained["one"], trained["other"], "--test")
    assert "data_hash" in unikeras("compare", trained["one"], trained["other"], "--json").json["circumstances"]


def test_data_that_have_changed_since_are_not_tested(copies: list[Path]) -> None:
    for folder in copies:
        facts = json.loads((folder / run_files.PROVENANCE).read_text())
        (folder / run_files.PROVENANCE).write_text(json.dumps({**facts, "data_hash": "0" * 64}))
    assert "has changed since" in refused(copies[0], copies[1], "--test")


def test_predictions_for_other_images_are_not_tested(copies: list[Path]) -> None:
    plant(copies[0], [1], label=1)
    plant(copies[1], [1], label=2)
    assert "is not for the test images of" in refused(copies[0], copies[1], "--test")


def test_too_few_runs_the_same_twice_or_none_are_refused(trained: dict[str, Path], tmp_path: Path) -> None:
    assert "compare can't take 1 run.\nName 2 to 26 run folders." in refused(trained["one"])
    assert "is named twice" in refused(trained["one"], trained["two"], trained["two"].parent / "." / "two")
    assert "holds no run" in refused(trained["one"], tmp_path)
