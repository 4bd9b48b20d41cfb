"""The check can fail: what counts as a failure whatever the numbers, and how errors are judged."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from unikeras.checking.comparing import compare, rms
from unikeras.checking.evidence import Evidence
from unikeras.checking.figures import ROUNDOFF, SUSPICIOUS, UNITS, Figure
from unikeras.checking.judge import CAP, FACTOR, judge, judge_trajectory, leaves, make_envelope, most_jumps
from unikeras.checking.result import divergence, layer_of, stage_rows
from unikeras.settings import Settings

U = ROUNDOFF["float32"]
ONES = np.ones((2, 3))


@pytest.mark.parametrize(
    ("value", "expected", "problem"),
    [
        (None, ONES, "missing"),
        (np.ones((3, 2)), ONES, "shape 3×2 for 2×3"),
        (np.ones((0, 3)), np.ones((0, 3)), "nothing to compare"),
        (np.full((2, 3), np.nan), ONES, "not finite"),
        (np.full((2, 3), np.inf), ONES, "not finite"),
        (ONES, np.full((2, 3), np.nan), "the reference is not finite"),
    ],
)
def test_what_cannot_be_compared_is_a_failure(value: np.ndarray | None, expected: np.ndarray, problem: str) -> None:
    figure = compare("forward", "inference", "conv1:output", value, expected, U)
    assert figure.problem == problem
    (judged,) = judge({"torch": [figure]}, "float32")
    assert judged.kind is not None
    assert divergence(judged)["problem"] == problem


def test_a_permutation_is_an_error_although_the_means_agree() -> None:
    values = np.arange(6.0)
    assert compare("forward", "inference", "x", values[::-1].copy(), values, U).error == 1.0


def test_one_wrong_value_among_many_is_an_error() -> None:
    expected = np.random.default_rng(0).normal(size=100_000)
    value = expected.copy()
    value[70_000] += 0.1
    assert compare("forward", "inference", "x", value, expected, U).suspicious


def test_values_near_zero_count_no_more_than_others() -> None:
    expected = np.array([1.0, 1e-12])
    assert not compare("forward", "inference", "x", expected + 1e-9, expected, U).suspicious


def test_anything_is_an_error_where_zeros_are_right() -> None:
    assert compare("forward", "inference", "x", ONES * 1e-9, 0 * ONES, U).error == math.inf
    assert compare("forward", "inference", "x", 0 * ONES, 0 * ONES, U).error == 0.0


def test_a_mean_square_knows_no_sign() -> None:
    assert rms(np.array([3.0, -4.0])) == pytest.approx(math.sqrt(12.5))


def figure(error: float, exact: float | None = None, stage: str = "forward", case: str = "inference") -> Figure:
    return Figure(stage, case, "conv1:output", error, U, exact=exact, exact_floor=ROUNDOFF["float64"])


def kinds(*figures: Figure) -> list[str | None]:
    """Verdicts on one figure from each of several backends."""
    return [one.kind for one in judge({f"backend{index}": [own] for index, own in enumerate(figures)}, "float32")]


def test_rounding_agrees_and_what_float64_shows_too_does_not() -> None:
    assert kinds(figure(2 * U)) == [None]
    assert kinds(figure(0.9 * UNITS * U, exact=1e-15)) == [None]
    assert kinds(figure(0.9 * UNITS * U, exact=0.9 * UNITS * U)) == ["mistake"]
    assert kinds(figure(1e-2, exact=1e-15)) == ["precision"]
    assert kinds(figure(1e-2, exact=1e-2)) == ["mistake"]


def test_a_mistake_below_what_float32_can_show_is_none_there() -> None:
    assert kinds(figure(SUSPICIOUS * U * 1.1, exact=U / 10)) == [None]


def test_the_noise_of_others_widens_the_bound_but_only_so_far() -> None:
    noisy = (UNITS + FACTOR * 10) * U * 0.9
    assert kinds(figure(noisy, exact=0.0)) == ["precision"]
    assert kinds(figure(noisy, exact=0.0), figure(noisy / 3, exact=0.0))[0] is None
    assert "precision" in kinds(figure(noisy, exact=0.0), figure(noisy / 3, exact=0.0), figure(U)), "the better one counts"
    beyond = (UNITS + FACTOR * CAP) * U * 1.1
    assert kinds(figure(beyond, exact=0.0), figure(beyond, exact=0.0)) == ["precision", "precision"]


def test_two_backends_with_one_mistake_do_not_vouch_for_each_other() -> None:
    assert kinds(figure(0.1, exact=0.1), figure(0.1, exact=0.1), figure(U), figure(U)) == ["mistake", "mistake", None, None]


def steps(errors: list[float], stage: str = "steps") -> list[str | None]:
    figures = [figure(error, 0.0, stage, f"step {index}") for index, error in enumerate(errors)]
    return [one.kind for one in judge({"torch": figures}, "float32")]


def test_rounding_may_change_a_decision_now_and_then_but_only_in_gradients() -> None:
    assert steps([1e-3, *[U] * 19]) == [None] * 20
    assert steps([*[1e-3] * 9, *[U] * 11]).count("precision") == 9
    assert steps([*[1e-3] * 8, *[U] * 12]) == [None] * 20
    assert steps([1e-3, *[U] * 19], "forward").count("precision") == 1


def test_a_decision_is_changed_by_chance_at_fewer_of_many_steps_and_never_at_most_of_a_few() -> None:
    """P(more than k of n steps) < 1e-4 at one in ten: by the binomial distribution."""
    assert [most_jumps(count) for count in (1, 2, 4, 6, 20, 100, 1000)] == [1, 1, 2, 3, 8, 23, 137]


@pytest.mark.parametrize(("steps", "expected"), [(1, [0, 0, 0]), (2, [0, 1, 1]), (3, [0, 1, 2]), (20, [0, 1, 2])])
def test_each_comparison_of_gradients_has_a_batch_of_its_own(steps: int, expected: list[int]) -> None:
    """Or a decision that rounding changes in one batch would count twice; a check of one or two steps has too few."""

    class Hundred(Evidence):
        def data(self) -> Any:
            return SimpleNamespace(train=SimpleNamespace(y=np.zeros(100)))

    evidence = Hundred(Path(), Settings(), {}, Path(), steps, ("adam",))
    cases = ("batch of 32", "batch of 4", "adam, decay and clipping, label smoothing")
    assert [evidence.gradient_step(case) for case in cases] == expected


def test_no_number_is_suspicious_and_a_mistake() -> None:
    assert figure(math.nan).suspicious
    assert figure(U, exact=math.nan).is_mistake


def test_float64_has_to_stay_below_as_many_floors_of_its_own() -> None:
    within = Figure("forward", "inference", "x", U, U, exact=SUSPICIOUS * U, exact_floor=1.01 * U)
    assert not within.is_mistake
    assert dataclasses.replace(within, exact_floor=0.9 * U).is_mistake


def test_stages_come_in_their_order_and_mistakes_before_lost_precision() -> None:
    found = [figure(1e-3, 1e-3, "loss"), figure(1e-2, 0.0, case="training"), figure(1e-3, 1e-3)]
    judged = judge({"torch": found}, "float32")
    assert [(one.figure.stage, one.kind) for one in judged] == [
        ("forward", "mistake"),
        ("forward", "precision"),
        ("loss", "mistake"),
    ]


def test_the_larger_of_both_errors_is_shown() -> None:
    (judged,) = judge({"torch": [figure(U, exact=SUSPICIOUS * ROUNDOFF["float64"] / 2)]}, "float32")
    assert judged.ratio == pytest.approx(0.5)


def test_a_mistake_is_no_jump_however_rare() -> None:
    figures = [figure(1e-3, 1e-3, "steps", "step 1"), *(figure(U, None, "steps", f"step {step}") for step in range(2, 21))]
    assert [one.kind for one in judge({"torch": figures}, "float32")].count("mistake") == 1


def test_one_parameter_that_jumps_at_every_step_is_not_rare() -> None:
    own = [Figure("steps", f"step {step}", "conv1/kernel", 1e-3, U, exact=0.0) for step in range(4)]
    others = [Figure("steps", f"step {step}", f"dense{index}/kernel", U, U) for step in range(4) for index in range(9)]
    assert [one.kind for one in judge({"torch": own + others}, "float32")].count("precision") == 4


def test_another_structure_is_a_kind_of_its_own() -> None:
    assert kinds(Figure("structure", "parameters", "conv1/kernel", math.inf, 0.0, "missing")) == ["structure"]


def test_the_table_names_the_worst_place_of_a_stage() -> None:
    judged = judge({"torch": [figure(U), figure(1e-2, exact=1e-2, case="training")]}, "float32")
    (row,) = stage_rows(judged, "torch", "float32")
    assert (row["verdict"], row["compared"], row["disagree"]) == ("disagree", 2, 1)
    assert row["worst_at"] == "conv1:output (training)"


def test_the_table_counts_a_jump_and_shows_the_rest() -> None:
    found = [figure(1e-3 if step == 0 else 32 * U, 0.0, "steps", f"step {step}") for step in range(8)]
    (row,) = stage_rows(judge({"torch": found}, "float32"), "torch", "float32")
    assert (row["verdict"], row["rounding_jumps"], row["worst_ratio"]) == ("agree", 1, 0.5)


@pytest.mark.parametrize(
    ("stage", "name", "layer"),
    [
        ("forward", "block1/conv1:output", "block1/conv1"),
        ("forward", "logits", None),
        ("forward", "norm1/moving_mean", "norm1"),
        ("gradients", "block1/conv1/kernel", "block1/conv1"),
        ("steps", "velocity/conv1/kernel", "conv1"),
        ("optimizer", "iterations", None),
    ],
)
def test_the_layer_of_a_figure(stage: str, name: str, layer: str | None) -> None:
    assert layer_of(stage, name) == layer


CENTER = [2.0, 1.5, 1.2, 1.0]
TWINS = [[2.0 + 1e-7, 1.5 + 1e-6, 1.2 + 1e-5, 1.0 + 0.2], [2.0, 1.5, 1.2, 1.0 - 0.1]]


def test_a_trajectory_is_judged_up_to_where_the_twins_part() -> None:
    envelope = make_envelope(CENTER, TWINS, "float32")
    assert envelope.horizon == 3
    assert judge_trajectory(envelope, "torch", "float32", [2.0, 1.5, 1.2, 7.0]).kind is None
    assert judge_trajectory(envelope, "torch", "float32", [2.0, 1.5, 1.21, 1.0]).kind == "mistake"
    assert judge_trajectory(envelope, "torch", "float32", [2.0, math.nan, 1.2, 1.0]).figure.problem == "not finite"


def test_only_what_comes_before_the_horizon_leaves_the_envelope() -> None:
    envelope = make_envelope(CENTER, TWINS, "float32")
    assert not leaves(envelope, [2.0, 1.5, 1.2, 7.0])
    assert leaves(envelope, [2.0, 1.5, 7.0, 1.0])


def test_the_envelope_is_four_times_as_wide_as_the_twins_ever_were() -> None:
    envelope = make_envelope(CENTER, [[2.0, 1.5 + 1e-3, 1.2, 1.0]], "float32")
    for step in (1, 2, 3):
        off = CENTER.copy()
        off[step] += 3.9e-3
        assert not leaves(envelope, off), step
        off[step] += 0.2e-3
        assert leaves(envelope, off), step


def test_a_trajectory_without_losses_is_a_failure() -> None:
    assert judge_trajectory(make_envelope(CENTER, TWINS, "float32"), "torch", "float32", []).kind == "mistake"


def test_a_float64_trajectory_has_to_keep_closer() -> None:
    loss = [2.0 + 1e-6, 1.5, 1.2, 1.0]
    assert judge_trajectory(make_envelope(CENTER, TWINS, "float32"), "torch", "float32", loss).kind is None
    assert judge_trajectory(make_envelope(CENTER, TWINS, "float64"), "torch", "float64", loss).kind == "mistake"


def test_a_trajectory_that_leaves_only_in_float32_is_rounding_until_it_would_part_twins() -> None:
    envelope = make_envelope(CENTER, TWINS, "float32")
    off = [2.0, 1.5 + 1e-3, 1.2, 1.0]
    assert judge_trajectory(envelope, "torch", "float32", off, exact_is_right=True).kind is None
    assert judge_trajectory(envelope, "torch", "float32", off, exact_is_right=False).kind == "mistake"
    assert judge_trajectory(envelope, "torch", "float32", [2.0, 1.6, 1.2, 1.0], exact_is_right=True).kind == "precision"
