"""`unikeras check` as users run it: it agrees where backends agree, and names what was planted where they don't."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support import MODEL_FILES, TESTS, python, unikeras

from unikeras.checking import plants
from unikeras.optimizers import RULES

SHORT = ("--steps", 2, "--quiet", "--json")

# In each backend, and one of every stage; benchmarks/check_plants.py tries them all.
SAMPLE = [
    "adam-epsilon-1e-8",
    "leaky-relu-slope-0.01",
    "gradients-accumulated",
    "same-order-every-epoch",
    "label-smoothing-ignored",
    "gradient-doubled",
    "parameter-renamed",
    "layer-frozen",
]

SHORT_SAMPLE = {"adam-epsilon-1e-8", "same-order-every-epoch", "gradient-doubled", "parameter-renamed"}  # on two backends


@pytest.fixture(scope="module")
def verdicts(request: pytest.FixtureRequest) -> dict[str, dict[str, Any]]:
    """What the check says of each fault of the sample that is asked for."""
    script = TESTS.parent / "benchmarks" / "check_plants.py"
    asked = [
        item.callspec.params.get("fault")
        for item in request.session.items
        if isinstance(item, pytest.Function) and hasattr(item, "callspec")
    ]
    command = [sys.executable, str(script), *(fault for fault in SAMPLE if fault in asked)]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    rows = [json.loads(line) for line in finished.stdout.splitlines()]
    return {row["plant"]: row for row in rows[:-1]}


@pytest.fixture(scope="module")
def healthy(backend_names: list[str]) -> dict[str, Any]:
    """A check of a model with every convention, in both precisions, with all update rules."""
    answer = unikeras("check", "probe", "--backends", ",".join(backend_names), "--dtype", "both", "--optimizer", "all", *SHORT)
    assert answer.code == 0, answer
    result: dict[str, Any] = answer.json
    return result


def test_healthy_backends_agree_on_a_model_with_every_convention(healthy: dict[str, Any], backend_names: list[str]) -> None:
    assert list(healthy)[:2] == ["agree", "first_divergence"]
    assert (healthy["agree"], healthy["first_divergence"]) == (True, None)
    for name in backend_names:
        stages = {row["stage"]: row for row in healthy["table"] if row["backend"] == name}
        assert list(stages) == ["structure", "forward", "loss", "gradients", "optimizer", "steps", "trajectory"]
        assert all(row["compared"] > 0 and row["verdict"] == "agree" for row in stages.values())


def test_the_reference_is_confirmed_without_its_framework(healthy: dict[str, Any]) -> None:
    reference = healthy["reference"]
    assert reference["layers"]["unknown"] == []
    assert set(reference["layers"]["confirmed"]) >= {"conv1", "norm1", "pool1", "conv2", "pool2", "flatten", "dense1", "norm3"}
    assert reference["layers"]["largest_error"] < 1e-13
    assert reference["gradients"]["finite_difference_error"] < 1e-6


def test_all_backends_agree_to_twelve_digits_in_float64(healthy: dict[str, Any]) -> None:
    slots = ("momentum/", "velocity/")
    figures = [figure for figure in healthy["figures"] if figure["dtype"] == "float64" and figure["case"] != "dropout"]
    for figure in figures:
        if figure["stage"] in ("forward", "loss", "gradients") or figure["name"].startswith(slots):
            assert figure["error"] <= 1e-12, figure
    rules = {figure["case"].partition(",")[0] for figure in figures if figure["stage"] == "optimizer"}
    assert rules == set(RULES)


@pytest.mark.long
def test_layers_may_take_their_channels_first() -> None:
    answer = unikeras("check", MODEL_FILES / "channels_first.py", "--backends", "tensorflow,torch,native-torch", *SHORT)
    assert answer.code == 0, answer
    assert answer.json["reference"]["layers"]["unknown"] == ["channels"]
    assert answer.json["reference"]["layers"]["largest_error"] < 1e-13


@pytest.mark.long
def test_a_bias_that_has_no_effect_may_have_a_gradient_of_rounding_alone() -> None:
    answer = unikeras("check", MODEL_FILES / "biased.py", "--backends", "torch", *SHORT)
    assert answer.code == 0, answer


@pytest.mark.long
@pytest.mark.parametrize("seed", [29, 92, 96, 121, 135, 152])
def test_rounding_that_decides_otherwise_is_no_false_alarm(seed: int) -> None:
    """A rectifier's input is next to zero, with 121 and 135 at several steps; with 29 a moving mean is tiny."""
    script = TESTS.parent / "benchmarks" / "check_false_alarms.py"
    command = [sys.executable, str(script), "--first", str(seed), "--seeds", "1"]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert '"false_alarms": 0' in finished.stdout


@pytest.mark.long
def test_a_defect_of_keras_itself_is_found_and_named() -> None:
    answer = unikeras("check", MODEL_FILES / "edge_average.py", "--backends", "torch", *SHORT)
    assert answer.code == 1, answer
    first = answer.json["first_divergence"]
    assert (first["backend"], first["stage"], first["layer"], first["kind"]) == ("torch", "forward", "pool", "mistake")
    assert first["looks_like"] == "padding repeats the edge"
    (defect,) = answer.json["defects"]
    assert (defect["backend"], defect["layer"], defect["holds"]) == ("torch", "pool", True)


@pytest.mark.parametrize("fault", [pytest.param(name, marks=() if name in SHORT_SAMPLE else pytest.mark.long) for name in SAMPLE])
def test_a_planted_fault_is_found_in_its_place_and_named(fault: str, verdicts: dict[str, dict[str, Any]]) -> None:
    verdict = verdicts[fault]
    assert (verdict["found"], verdict["placed"], verdict["named"]) == (True, True, True), verdict


@pytest.mark.long
def test_every_planted_fault_is_found_in_its_place_and_named() -> None:
    """Ten minutes on two cores. A fault that no longer fits what it is planted into shows here."""
    command = [sys.executable, str(TESTS.parent / "benchmarks" / "check_plants.py")]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=3600, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert json.loads(finished.stdout.splitlines()[-1]) == dict.fromkeys(
        ("faults", "found", "placed", "named"), len(plants.PLANTS)
    )


def test_a_person_reads_where_and_why(tmp_path: Path) -> None:
    page = tmp_path / "check.html"
    fault = plants.find(SAMPLE[0])
    answer = unikeras("check", "mlp", "--plant", fault.name, "--backends", fault.backend, "--quick", "--report", page)
    assert answer.code == 1, answer
    assert f"{fault.backend} parts from the reference" in answer.out
    assert f"looks like: {fault.looks_like}" in answer.out
    assert fault.looks_like in page.read_text(encoding="utf-8")


def test_every_plant_is_listed_with_its_backend() -> None:
    rows = unikeras("check", "--plant", "list", "--json").json["plants"]
    assert {row["plant"] for row in rows} == set(plants.PLANTS)
    assert len(rows) >= 40
    narrow = unikeras("check", "--plant", "list", COLUMNS="80").out.split()
    assert set(plants.PLANTS) <= set(narrow), "a name is there to be copied"


@pytest.mark.parametrize(
    ("arguments", "message", "cure"),
    [
        (("--plant", "adam-epsilom"), "--plant can't be 'adam-epsilom'.", "Allowed:"),
        (("--plant", SAMPLE[0], "--backends", "torch"), f"--plant {SAMPLE[0]} goes into native-torch", "Add it to --backends."),
        (("--optimizer", "adagrad"), "--optimizer can't be 'adagrad'.", "Allowed: sgd, momentum"),
        (("--dtype", "float16"), "--dtype can't be 'float16'.", "Allowed: float32, float64, both."),
        (("--quick", "--full"), "--quick and --full can't go together.", "Give one of them."),
        (("--backends", "jaxx"), "Unknown backend 'jaxx'.", "Allowed:"),
        (("no-such-model",), "Unknown model 'no-such-model'.", "Allowed:"),
        (("--report", "/no/such/folder/x.html", "mlp", "--backends", "native-torch", "--quick"), "--report can't be", "Choose"),
    ],
)
def test_wrong_input_is_an_error_with_a_cure(arguments: tuple[str, ...], message: str, cure: str) -> None:
    answer = unikeras("check", *arguments)
    assert answer.code == 2, answer
    assert message in answer.err
    assert cure in answer.err
    assert "Traceback" not in answer.err


def test_python_gets_the_result_as_an_object() -> None:
    """Of a backend that is judged alone, without others to tell what rounding does: a bias before BatchNorm needs its floor."""
    code = (
        "import unikeras, sys\n"
        "r = unikeras.check('probe', backends=['native-torch'], quick=True, quiet=True)\n"
        "print(bool(r), r.agree, r.first_divergence, sorted(m for m in sys.modules if m in ('torch', 'keras', 'tensorflow')))"
    )
    answer = python(code)
    assert answer.out.strip() == "True True None []", answer
