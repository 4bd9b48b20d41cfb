"""`unikeras bench`: who races against whom, what the rounds say, and real races of a small model."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import MODEL_FILES, unikeras

from unikeras.bench_contestant import Contestant
from unikeras.bench_request import command_line, make_request
from unikeras.bench_statistics import Ratio, ratio, slowdown, verdict
from unikeras.errors import UnikerasError
from unikeras.launcher import TUNING
from unikeras.settings import Settings

SMALL = ("--model", "mlp", "--dataset", "random:8x8x1:3:512", "--batch-size", 64, "--rounds", 2, "--json")


def test_rivals_are_of_the_same_framework() -> None:
    request = make_request(Settings(backend="torch,native-torch,tensorflow"), against="keras-fit,hand")
    assert set(request.pairs) == {
        ("torch", "native-torch"),
        ("torch", "keras fit on torch"),
        ("torch", "hand-written torch"),
        ("native-torch", "keras fit on torch"),
        ("native-torch", "hand-written torch"),
        ("tensorflow", "keras fit on tensorflow"),
        ("tensorflow", "hand-written tensorflow"),
    }
    names = [contestant.name for contestant in request.contestants]
    assert len(names) == len(set(names)) == 8
    assert names[-1] == "torch again"
    assert {name for name, rival in request.pairs} | {rival for _, rival in request.pairs} <= set(names)


def test_a_model_without_native_siblings_races_without_them() -> None:
    settings = Settings(backend="torch", model=str(MODEL_FILES / "layers_zoo.py"))
    assert [one.name for one in make_request(settings).contestants] == ["torch", "keras fit on torch", "torch again"]


def test_mixed_precision_races_against_the_same_backend_in_float32(tmp_path: Path) -> None:
    request = make_request(Settings(backend="torch,native-torch", dtype="mixed_bfloat16"), against="float32")
    assert {("torch", "torch in float32"), ("native-torch", "native-torch in float32")} < set(request.pairs)
    types = {
        one.name: one.job("bench", request.settings, tmp_path, tmp_path).arguments["settings"]["dtype"]
        for one in request.contestants
    }
    assert types == {
        "torch": "mixed_bfloat16",
        "native-torch": "mixed_bfloat16",
        "torch in float32": "float32",
        "native-torch in float32": "float32",
        "torch again": "mixed_bfloat16",
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"against": "kerasfit"}, "--against can't be 'kerasfit'"),
        ({"against": "float32", "dtype": "float64"}, "--dtype is float64"),
        ({"batch_sizes": "64,0"}, "--batch-size can't be '64,0'"),
        ({"against": "float32"}, "--dtype is float32"),
        ({"batch_sizes": "large"}, "--batch-size can't be 'large'"),
    ],
)
def test_wrong_values_are_named(options: dict[str, str], message: str) -> None:
    with pytest.raises(UnikerasError, match=message):
        make_request(Settings(dtype=options.pop("dtype", "float32")), **options)


@pytest.mark.parametrize(
    ("against", "backends", "message", "cure"),
    [
        ("lightning", "tensorflow", "lightning has nobody to race on tensorflow", "add torch or native-torch to --backends"),
        ("lightning", "tensorflow,torch", "lightning needs alone_torch.py beside", "the same network in torch alone"),
        ("keras-fit,hand", "tensorflow", "hand needs alone_tensorflow.py beside", "leave hand out"),
    ],
)
def test_a_rival_that_nobody_can_stand_for_is_not_left_out_silently(
    against: str, backends: str, message: str, cure: str, tmp_path: Path
) -> None:
    model = tmp_path / "alone.py"
    model.write_text("def build(input_shape, num_classes): ...\n")
    settings = Settings(backend=backends, model=str(model))
    with pytest.raises(UnikerasError, match=message) as caught:
        make_request(settings, against=against)
    assert cure in caught.value.cure
    names = [one.name for one in make_request(settings).contestants]
    assert not any("hand-written" in name for name in names), "those that nobody asked for are left out"


def test_a_ratio_is_taken_round_by_round() -> None:
    """A machine that becomes three times slower in mid-race changes no ratio."""
    slow = [1.0] * 8 + [3.0] * 7
    found = ratio(slow, [2 * seconds for seconds in slow])
    assert (found.median, found.low, found.high) == (2.0, 2.0, 2.0)
    assert slowdown([slow]) == 3.0


def test_only_its_own_workers_get_the_environment_that_unikeras_chooses(monkeypatch: pytest.MonkeyPatch) -> None:
    own = Contestant("tensorflow", "own", "tensorflow")
    rival = Contestant("keras fit on tensorflow", "keras_fit", "tensorflow", is_stock=True)
    for name in TUNING:
        monkeypatch.delenv(name, raising=False)
    assert own.environment(1).keys() - rival.environment(1).keys() == set(TUNING)


@pytest.mark.parametrize("is_stock", [False, True])
@pytest.mark.parametrize("name", TUNING)
def test_what_the_user_has_set_holds_for_all_contestants(name: str, is_stock: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = f"not {TUNING[name]}"
    monkeypatch.setenv(name, theirs)
    assert Contestant("a name", "keras_fit", "tensorflow", is_stock).environment(1)[name] == theirs


def test_the_interval_of_a_ratio_covers_the_rounds_spread() -> None:
    found = ratio([1.0] * 15, [1.0, 1.1, 1.2, 1.3, 1.4] * 3)
    assert found.median == pytest.approx(1.2)
    assert 1.0 < found.low < 1.2 < found.high < 1.4


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (1.06, 1.2, "faster"),
        (1.01, 1.2, "no difference"),
        (0.8, 0.94, "slower"),
        (0.8, 0.97, "no difference"),
        (0.9, 1.1, "no difference"),
    ],
)
def test_only_what_lies_outside_of_the_noise_is_a_difference(low: float, high: float, expected: str) -> None:
    noise = Ratio(1.0, 0.98, 1.05)
    assert verdict(Ratio((low + high) / 2, low, high), noise) == expected


def test_a_race_has_every_figure_of_every_contestant(tmp_path: Path) -> None:
    page = tmp_path / "bench.html"
    options = ("--backends", "native-torch", "--against", "keras-fit,hand", "--limit", "--report", page)
    answer = unikeras("bench", *options, *SMALL, TORCHDYNAMO_DISABLE="1")  # compiling would take longer than all the rest
    assert answer.code == 0, answer
    (race,) = answer.json["races"]
    rounds = {row["name"]: row["rounds"] for row in race["contestants"]}
    assert list(rounds) == ["native-torch", "keras fit on torch", "hand-written torch", "native-torch again"]
    for row in race["contestants"]:
        assert all(row[name] > 0 for name in row if name.endswith(("seconds", "per_second", "_mb"))), row
        assert len(row["rounds"]) == 2
        assert row["limit_share"] == pytest.approx(race["limits"]["torch"]["seconds_per_image"] * row["images_per_second"])
        assert 0 < row["limit_share"] < 1.2
        assert row["end_to_end_images_per_second"] < min(row["images_per_second"], row["evaluation_images_per_second"])
    assert len(race["ratios"]) == 2
    for row in race["ratios"]:
        ratios = [other / own for own, other in zip(rounds[row["contestant"]], rounds[row["rival"]], strict=True)]
        assert min(ratios) * 0.999999 <= row["low"] <= row["median"] <= row["high"] <= max(ratios) * 1.000001
    assert f"{race['contestants'][0]['images_per_second']:,.0f}" in page.read_text(encoding="utf-8")
    assert answer.json["command"].startswith("unikeras bench --backends native-torch --dataset random:8x8x1:3:512 --batch-size")


def test_time_to_an_accuracy_is_that_of_each_contestant_alone() -> None:
    options = ("--model", "mlp", "--to-accuracy", 0.5, "--seeds", 1, "--epochs", 15, "--batch-size", 64, "--quiet", "--json")
    answer = unikeras("bench", "--backends", "native-torch", "--against", "hand", *options, TORCHDYNAMO_DISABLE="1")
    assert answer.code == 0, answer
    (race,) = answer.json["accuracy_races"]
    assert [row["name"] for row in race["contestants"]] == ["native-torch", "hand-written torch"]
    for row in race["contestants"]:
        (run,) = row["runs"]
        assert (row["reached"], run["reached"]) == (1, True)
        assert run["accuracy"] >= 0.5
        assert 1 <= run["epochs"] < 15, "it ends where the accuracy is reached"
        assert row["median_seconds"] == run["seconds"] > 0.5
    losses = [row["runs"][0]["losses"] for row in race["contestants"]]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--to-accuracy", "1.5"), "--to-accuracy can't be 1.5."),
        (("--to-accuracy", "0.9", "--rounds", "3"), "--rounds belongs to a race"),
        (("--to-accuracy", "0.9", "--limit"), "--limit belongs to a race"),
        (("--seeds", "3"), "--seeds is about trainings to an accuracy."),
        (("--epochs", "3"), "--epochs is about trainings to an accuracy."),
    ],
)
def test_options_of_races_and_of_accuracies_do_not_mix(options: tuple[str, ...], message: str) -> None:
    answer = unikeras("bench", "--backends", "native-torch", *options)
    assert answer.code == 2, answer
    assert message in answer.err
    assert "Traceback" not in answer.err


def test_a_page_that_cannot_be_written_is_refused_before_the_race(tmp_path: Path) -> None:
    """The data would be refused, too, as soon as they are prepared."""
    page = tmp_path / "missing" / "bench.html"
    options = ("--model", "mlp", "--dataset", "random:8x8x1:3:100", "--batch-size", 64, "--against", "none", "--report", page)
    answer = unikeras("bench", "--backends", "native-torch", *options)
    assert answer.code == 2, answer
    assert f"--report can't be written to {page}" in answer.err
    assert "too few" not in answer.err


def test_a_dataset_that_is_named_is_raced_on_and_no_other() -> None:
    """Also the one that is the default of training; its 1,438 samples are too few for the race, which is what tells."""
    answer = unikeras("bench", "--backends", "native-torch", "--dataset", "digits", "--batch-size", 512, "--against", "none")
    assert answer.code == 2, answer
    assert "digits has 1438 training samples, too few to race with --batch-size 512." in answer.err


def test_the_command_that_repeats_a_race_names_its_data() -> None:
    request = make_request(Settings(backend="torch", dataset="digits", dtype="float64"), against="none", rounds=3)
    words = command_line(request).split()
    assert words[words.index("--dataset") + 1] == "digits"
    assert words[words.index("--rounds") + 1] == "3"
    assert words[words.index("--dtype") + 1] == "float64"
    assert "--epochs" not in words


def test_too_few_samples_for_a_race_are_refused() -> None:
    options = ("--model", "mlp", "--dataset", "random:8x8x1:3:100", "--batch-size", 64, "--against", "none")
    answer = unikeras("bench", "--backends", "native-torch", *options)
    assert answer.code == 2, answer
    assert "has 100 training samples, too few to race with --batch-size 64." in answer.err
    assert "At least 3 batches are needed" in answer.err


def test_contestants_that_train_something_else_do_not_race(tmp_path: Path) -> None:
    for path in MODEL_FILES.glob("linear*.py"):
        (tmp_path / path.name).write_text(path.read_text())
    sibling = tmp_path / "linear_torch.py"
    sibling.write_text(sibling.read_text() + '\n\ninitializers = {"conv/kernel": "he_normal"}\n')
    options = ("--model", tmp_path / "linear.py", "--dataset", "random:1x1x4:3:512", "--batch-size", 64, "--rounds", 1)
    answer = unikeras("bench", "--backends", "native-tensorflow,native-torch", "--against", "none", *options)
    assert answer.code == 1, answer
    assert "native-torch trains something else than native-tensorflow: at step 1 its loss is" in answer.err
    assert "`unikeras check` tells where backends part" in answer.err
