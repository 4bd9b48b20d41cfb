"""The HTML report of `unikeras check`: complete, offline, escaped, and of a size that opens."""

from __future__ import annotations

import base64
import dataclasses
import gzip
import hashlib
import json
import math
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from pages import CHROMIUM, HOSTILE, Page

from unikeras.check_accuracy import compare
from unikeras.checking.figures import ROUNDOFF, Figure
from unikeras.checking.judge import judge, judge_trajectory, make_envelope
from unikeras.checking.result import CheckResult, divergence, figure_row, stage_rows, trajectory_row
from unikeras.reporting import words
from unikeras.reporting.check import render
from unikeras.reporting.heat import heat_map, place_of

BACKENDS = ["tensorflow", "torch", "native-torch"]
LAYERS = ["conv1", "block1/conv2", "dense1"]
PADDING = "padding on the other side"


def figures_of(layers: list[str], steps: int, wrong: str | None) -> list[Figure]:
    """Measurements of one backend: errors of half a rounding, except for the output of the layer `wrong`."""
    floor = ROUNDOFF["float32"]
    parameters = [f"{layer}/{name}" for layer in layers for name in ("kernel", "bias")]
    found = [Figure("structure", "parameters", name, 0.0, 0.0) for name in sorted(parameters)]
    for layer in layers:
        found.append(Figure("forward", "inference", f"{layer}:input", floor / 2, floor))
        if layer == wrong:
            found.append(Figure("forward", "inference", f"{layer}:output", 0.31, floor, exact=0.3, looks_like=PADDING))
        else:
            found.append(Figure("forward", "inference", f"{layer}:output", floor / 2, floor))
    found.append(Figure("loss", "evaluation", "loss", 0.0, floor))
    found += [Figure("gradients", "batch of 32", name, floor / 2, floor) for name in parameters]
    for step in range(1, steps + 1):
        for name in ("iterations", *parameters, *(f"velocity/{parameter}" for parameter in parameters)):
            found.append(Figure("steps", f"step {step}", name, floor * step / steps, floor))
    return found


def make_result(wrong: str | None = None, layers: list[str] = LAYERS, steps: int = 8, **changes: Any) -> dict[str, Any]:
    """A check's result by the same functions that make the real one; torch goes wrong, if any does."""
    figures = {name: figures_of(layers, steps, wrong if name == "torch" else None) for name in BACKENDS}
    center = [2.3 - 0.1 * step for step in range(steps)]
    envelope = make_envelope(center, [[loss + 1e-6 for loss in center]], "float32")
    losses = {name: [loss + (1.0 if wrong and name == "torch" else 1e-7) for loss in center] for name in BACKENDS}
    judged = judge(figures, "float32") + [judge_trajectory(envelope, name, "float32", losses[name]) for name in BACKENDS]
    places = [divergence(one) for one in judged if one.kind is not None]
    result = CheckResult(
        agree=not places,
        first_divergence={key: places[0][key] for key in ("backend", "stage", "layer", "kind", "looks_like")} if places else None,
        divergences=places,
        table=[row for name in BACKENDS for row in stage_rows(judged, name, "float32")],
        trajectory=[trajectory_row(envelope, "float32", losses)],
        reference={
            "backend": "tensorflow",
            "dtype": "float64",
            "layers": {"confirmed": layers[1:], "unknown": layers[:1], "largest_error": 1e-15},
            "gradients": {"finite_difference_error": 1e-10},
        },
        figures=[figure_row(one) for one in judged],
        settings={"model": "cnn", "dataset": "digits", "backends": BACKENDS, "steps": steps, "dtype": "float32", "plant": None},
        environment={"versions": {"unikeras": "0.1.0", "torch": "2.13.0"}, "cpu": "a processor"},
        seconds=82.2,
        command="unikeras check cnn --backends tensorflow,torch,native-torch",
    )
    return dataclasses.replace(result, **changes).to_dict()


SECTIONS = ["stages", "layers", "trajectory", "figures", "reference", "environment", "repeat"]


def test_agreement_comes_first_and_every_section_follows() -> None:
    page = Page(render(make_result()))
    assert page.text.index("All 3 backends agree") < page.text.index("Stage by stage")
    assert [name for name in page.ids if name in SECTIONS] == SECTIONS
    assert "divergences" not in page.ids
    for expected in ("forward pass", "block1/conv2", "velocity/conv1/kernel", "2.13.0", "native-torch stays inside the envelope"):
        assert expected in page.text
    assert "unikeras check cnn --backends tensorflow,torch,native-torch" in page.text
    assert "Not confirmed, because NumPy has no counterpart here: conv1" in page.text


def test_a_divergence_is_named_first_with_its_figures() -> None:
    page = Page(render(make_result(wrong="block1/conv2")))
    headline = page.text.index("torch parts from the reference at block1/conv2 (forward pass)")
    assert headline < page.text.index(f"Looks like: {PADDING}") < page.text.index("Stage by stage")
    assert "A mistake: something else is computed; the difference is there in float64, too." in page.text
    assert [name for name in page.ids if name in [*SECTIONS, "divergences"]] == [*SECTIONS[:3], "divergences", *SECTIONS[3:]]
    assert "torch leaves the envelope at step 1" in page.text
    assert "All 3" not in page.text


@pytest.mark.parametrize(
    ("kind", "problem", "said"),
    [
        ("precision", None, "A loss of precision: in float64 nothing but rounding is left"),
        ("mistake", "not finite", "A mistake: something else is computed: not finite."),
        ("structure", "missing", "Another structure: missing."),
    ],
)
def test_the_kind_of_a_divergence_is_said_in_words(kind: str, problem: str | None, said: str) -> None:
    result = make_result(wrong="conv1")
    result["divergences"][0] |= {"kind": kind, "problem": problem, "error": None if problem else 1e-3, "looks_like": None}
    page = Page(render(result))
    assert said in page.text
    assert "It looks like none of the known mistakes." in page.text


def test_a_defect_that_no_longer_holds_is_the_verdict_when_nothing_else_is_wrong() -> None:
    defect = {
        "backend": "torch",
        "dtype": "float64",
        "layer": "pool",
        "what": "averages over a repeated edge",
        "measured": 0.0,
        "holds": False,
    }
    page = Page(render(make_result() | {"agree": False, "defects": [defect]}))
    assert "a known defect no longer holds" in page.text
    assert "has to be removed from the list" in page.text


def test_a_planted_fault_is_said_beside_the_verdict() -> None:
    result = make_result(wrong="conv1")
    result["settings"]["plant"] = "padding:torch"
    assert "A fault was planted for this check (padding:torch)" in Page(render(result)).text


def test_numbers_that_json_lacks_are_shown() -> None:
    result = make_result(wrong="conv1")
    result["figures"][3] |= {"error": None, "problem": "not finite", "agrees": False, "bound": None, "noise": None}
    result["divergences"][0] |= {"error": None, "problem": "not finite", "bound": None, "noise": None, "error_float64": None}
    result["table"][0]["worst_ratio"] = None
    result["trajectory"][0]["backends"]["torch"][2:] = [None] * 6
    result["trajectory"][0]["backends"]["tensorflow"] = [None] * 8
    result["trajectory"][0]["backends"]["native-torch"] = []
    page = Page(render(json.loads(json.dumps(result))))
    assert "∞" in page.text
    assert "not finite" in page.text
    assert "tensorflow leaves the envelope at step 1, where its loss is not finite" in page.text
    assert "native-torch: nothing to compare" in page.text


def test_what_was_not_reached_or_not_run_leaves_gaps_but_no_error() -> None:
    result = make_result()
    result["table"] = [row for row in result["table"] if row["backend"] != "torch" or row["stage"] == "structure"]
    page = Page(render(result | {"trajectory": [], "figures": [], "reference": {}, "environment": {}}))
    assert "not reached" in page.text
    assert "No free run was compared." in page.text
    assert len(render(result | {"trajectory": []})) < 1e6, "without a chart, plotly.js is not needed"


def test_accuracies_stand_in_a_table_with_the_test_that_judges_them() -> None:
    accuracies = {"tensorflow": [0.95, 0.97], "torch": [0.90, 0.92], "native-torch": [0.96, 0.96]}
    accuracy = {"seeds": [0, 1], "epochs": 10, "margin": 0.02, "accuracies": accuracies, "comparisons": compare(accuracies)}
    page = Page(render(make_result(accuracy=accuracy)))
    assert "accuracy" in page.ids
    assert "Test accuracy after 10 epochs of training from each of 2 seeds" in page.text
    assert "torch90.00%92.00%91.00%-5.00✗ -8.16 to -1.84" in page.text


def test_the_accuracy_of_a_backend_that_is_alone_is_compared_with_nothing() -> None:
    accuracy = {"seeds": [0], "epochs": 10, "margin": 0.02, "accuracies": {"torch": [0.9]}, "comparisons": []}
    assert "torch90.00%90.00%nothing to compare" in Page(render(make_result(accuracy=accuracy))).text


def hostile_result() -> dict[str, Any]:
    result = make_result(wrong=HOSTILE[0], layers=[HOSTILE[0], HOSTILE[1], HOSTILE[2]])
    result["divergences"][0]["looks_like"] = HOSTILE[3]
    result["settings"] |= {"model": HOSTILE[1], "dataset": HOSTILE[0], HOSTILE[0]: HOSTILE[1], "plant": HOSTILE[2]}
    result["environment"][HOSTILE[3]] = {HOSTILE[0]: HOSTILE[1]}
    result["command"] = f"unikeras check '{HOSTILE[1]}'"
    result["reference"]["layers"]["unknown"] = HOSTILE
    result["trajectory"][0]["backends"][HOSTILE[1]] = result["trajectory"][0]["backends"]["torch"]
    return result


def test_names_from_a_users_model_stay_text() -> None:
    plain, page = Page(render(make_result(wrong="conv1"))), Page(render(hostile_result()))
    assert page.tags["script"] == plain.tags["script"]
    assert not page.tags.keys() & {"img", "svg", "textarea"}
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    for name in HOSTILE:
        assert " ".join(name.split()) in page.text


def test_nothing_is_loaded_and_no_other_script_may_run() -> None:
    text = render(make_result(wrong="conv1"))
    page = Page(text)
    loading = [value for _, name, value in page.attributes if name in ("src", "href", "action", "poster", "srcset", "data")]
    assert [value for value in loading if not value.startswith("#")] == ["data:,"]
    assert not re.search(r"https?://|@import|url\(|\bfetch\(|XMLHttpRequest", text)
    (policy,) = [value for _, name, value in page.attributes if name == "content" and "default-src" in value]
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy.partition("script-src")[2].partition(";")[0]
    digest = base64.b64encode(hashlib.sha256(page.scripts[-1].encode()).digest()).decode()
    assert f"'sha256-{digest}'" in policy, "the page's own script has to pass its own policy"


def test_the_whole_result_is_inside() -> None:
    result = make_result(wrong="conv1")
    (packed,) = re.findall(r'id="packed-data">([^<]*)<', render(result))
    assert json.loads(gzip.decompress(base64.b64decode(packed))) == result


def test_a_long_check_makes_a_file_that_still_opens() -> None:
    result = make_result(wrong="layer7", layers=[f"layer{index}" for index in range(40)], steps=20)
    assert len(result["figures"]) > 10_000
    text = render(result)
    assert len(text.encode()) < 8e6
    assert "rows with smaller errors are not listed" in Page(text).text


def test_the_heat_map_has_the_models_order_and_its_worst_figures() -> None:
    result = make_result(wrong="block1/conv2")
    heat = heat_map(result["figures"], "float32", BACKENDS)
    assert [row.name for row in heat.rows] == [*LAYERS, "whole model"]
    assert heat.stages == ["forward", "gradients", "steps"]
    assert [row.name for row in heat.rows[1].tensors] == ["input", "output", "kernel", "bias"]
    wrong = [cell for row in heat.rows for cell in row.cells if cell is not None and cell.mark == "✗"]
    assert [(cell.stage, cell.level) for cell in wrong] == [("forward", 7)]
    assert PADDING not in wrong[0].details
    assert "in float64 0.3" in wrong[0].details
    assert "worst at block1/conv2:output (inference)" in wrong[0].details


def test_a_rounding_jump_is_marked_and_agrees() -> None:
    result = make_result()
    for figure in result["figures"]:
        if (figure["backend"], figure["name"], figure["case"]) == ("torch", "conv1/kernel", "step 3"):
            figure |= {"error": 1.0, "jump": True}
    row = heat_map(result["figures"], "float32", BACKENDS).rows[0]
    (cell,) = [cell for cell in row.cells if cell is not None and cell.mark]
    assert (cell.mark, cell.stage, cell.verdict) == ("↷", "steps", "agrees, with a rounding jump")
    assert cell.level <= 4


@pytest.mark.parametrize(
    ("stage", "name", "place"),
    [
        ("forward", "a/b:output", ("a/b", "output")),
        ("forward", "logits", (None, "logits")),
        ("gradients", "a/b/kernel", ("a/b", "kernel")),
        ("steps", "average_gradient/a/b/kernel", ("a/b", "kernel")),
        ("steps", "scale", (None, "scale")),
        ("steps", "iterations", (None, "iterations")),
    ],
)
def test_figures_are_put_at_their_layer(stage: str, name: str, place: tuple[str | None, str]) -> None:
    assert place_of(stage, name, {"a/b/kernel", "scale"}) == place


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "∞"),
        (math.inf, "∞"),
        (0.0, "0"),
        (8.45e-6, "8.5e-6"),
        (0.00134, "0.0013"),
        (2.345, "2.35"),
        (1019.4, "1,019"),
        (3e9, "3.0e9"),
    ],
)
def test_numbers_have_the_digits_that_matter(value: float | None, shown: str) -> None:
    assert words.number(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "∞"),
        (0.0, "0"),
        (2e-5, "<.001"),
        (0.12345, "0.12"),
        (1.0, "1.0"),
        (111.9, "112"),
        (9999.9, "10,000"),
        (2.3e5, "2e5"),
    ],
)
def test_ratios_fit_a_cell(value: float | None, shown: str) -> None:
    assert words.ratio(value) == shown


def browse(file: Path, folder: Path) -> tuple[str, list[str]]:
    """The page as a browser has it in the end, and what its console says."""
    assert CHROMIUM
    switches = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--enable-logging=stderr"]
    switches += [f"--user-data-dir={folder}", "--virtual-time-budget=5000", "--dump-dom"]
    finished = subprocess.run([CHROMIUM, *switches, file.as_uri()], capture_output=True, text=True, timeout=120, check=False)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout, [line for line in finished.stderr.splitlines() if "CONSOLE" in line]


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium here")
def test_a_browser_draws_it_and_asks_for_nothing(tmp_path: Path) -> None:
    """The policy turns every request into a message on the console; the second page shows that it would be seen."""
    file, asking = tmp_path / "report.html", tmp_path / "asking.html"
    text = render(hostile_result())
    file.write_text(text, encoding="utf-8")
    page, console = browse(file, tmp_path / "profile")
    assert console == []
    assert "main-svg" in page, "the chart was drawn"
    assert 'aria-expanded="true"' in page, "a layer that disagrees is open"
    (policy,) = re.findall(r"<meta http-equiv[^>]*>", text)
    asking.write_text(f'<!doctype html>{policy}<img src="http://127.0.0.1:9/x.png">', encoding="utf-8")
    assert any("Content Security Policy" in line for line in browse(asking, tmp_path / "profile")[1])
