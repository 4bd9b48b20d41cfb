"""The last stage of a check: two one-sided t-tests on the backends' accuracies over several seeds."""

from __future__ import annotations

import math
import statistics
from pathlib import Path

import pytest
from scipy import stats

from unikeras import check_accuracy
from unikeras.backends import BACKENDS
from unikeras.checking.judge import judge
from unikeras.data import prepare
from unikeras.data.locate import Request
from unikeras.progress import make_display
from unikeras.run import load_run
from unikeras.settings import Settings

MARGIN = check_accuracy.MARGIN
EQUAL = {"tensorflow": [0.951, 0.949, 0.955, 0.948, 0.952], "torch": [0.950, 0.951, 0.953, 0.950, 0.951]}
DIFFERENT = {"tensorflow": EQUAL["tensorflow"], "torch": [0.901, 0.899, 0.903, 0.900, 0.902]}
NOISY = {"tensorflow": EQUAL["tensorflow"], "torch": [0.90, 0.99, 0.93, 1.0, 0.93]}


def verdicts(accuracies: dict[str, list[float]]) -> dict[str, str | None]:
    """What the check says of each backend, None for agreement."""
    figures = check_accuracy.figures_of(check_accuracy.compare(accuracies))
    judged = judge({name: [figure] for name, figure in figures.items()}, "float32")
    return {one.backend: one.kind for one in judged}


def test_equal_accuracies_agree() -> None:
    assert verdicts(EQUAL) == {"tensorflow": None, "torch": None}


def test_five_points_are_a_difference() -> None:
    assert verdicts(DIFFERENT) == {"tensorflow": "mistake", "torch": "mistake"}


def test_accuracies_that_vary_too_much_to_tell_do_not_pass_for_equal() -> None:
    """Their means are equal; that proves nothing."""
    assert statistics.fmean(NOISY["torch"]) == pytest.approx(statistics.fmean(NOISY["tensorflow"]), abs=0.002)
    assert verdicts(NOISY) == {"tensorflow": "mistake", "torch": "mistake"}


def test_one_backend_is_compared_with_the_mean_of_the_others() -> None:
    accuracies = {**EQUAL, "native-torch": [accuracy - 0.1 for accuracy in EQUAL["torch"]]}
    (first, *_, last) = check_accuracy.compare(accuracies)
    assert last["difference"] == pytest.approx(-0.1, abs=1e-3)
    assert first["difference"] == pytest.approx(0.05, abs=1e-3)


@pytest.mark.parametrize("accuracies", [EQUAL, DIFFERENT, NOISY], ids=["equal", "different", "noisy"])
def test_it_is_two_one_sided_t_tests(accuracies: dict[str, list[float]]) -> None:
    """It agrees where both tests of scipy reject, at five per cent, that the difference is beyond the margin."""
    differences = [own - other for own, other in zip(accuracies["torch"], accuracies["tensorflow"], strict=True)]
    too_low = stats.ttest_1samp(differences, -MARGIN, alternative="greater").pvalue
    too_high = stats.ttest_1samp(differences, MARGIN, alternative="less").pvalue
    assert (verdicts(accuracies)["torch"] is None) == (max(too_low, too_high) < 0.05)


def test_the_interval_is_that_of_the_table() -> None:
    """By hand: differences of 0.01 ± 0.01 over five seeds, and t(0.95, 4) = 2.132."""
    compared = check_accuracy.compare({"torch": [0.90, 0.91, 0.92, 0.91, 0.91], "tensorflow": [0.90] * 5})
    spread = statistics.stdev([0.0, 0.01, 0.02, 0.01, 0.01])
    assert compared[0]["difference"] == pytest.approx(0.01)
    assert compared[0]["high"] - compared[0]["low"] == pytest.approx(2 * 2.132 * spread / math.sqrt(5), rel=1e-3)


def test_a_backend_is_trained_from_every_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_accuracy, "SEEDS", 2)
    monkeypatch.setattr(check_accuracy, "EPOCHS", 1)
    dataset = prepare.prepare(Request("random:4x4x1:3:40", None, tmp_path / "cache", None), lambda event: None)
    settings = Settings(model="mlp", dataset="random:4x4x1:3:40", seed=7)
    display = make_display(quiet=True, json=False)
    shown, figures = check_accuracy.measure(settings, [BACKENDS["native-torch"]], dataset, tmp_path, 2, display)
    assert shown["seeds"] == [7, 8]
    runs = [load_run(tmp_path / "accuracy" / f"native-torch-{seed}") for seed in shown["seeds"]]
    assert shown["accuracies"]["native-torch"] == [run.result["test_accuracy"] for run in runs]
    assert len({run.provenance["initial_weights"] for run in runs}) == 2
    assert (shown["comparisons"], figures) == ([], {})  # there is nothing to compare it with
