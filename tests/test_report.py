"""The HTML report of runs: complete, offline, escaped, right in its figures, and usable in a real browser."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pages import CHROMIUM, HOSTILE, Page
from PIL import Image
from support import unikeras
from test_check_report import make_result

import unikeras as uk
from unikeras import predictions
from unikeras.data.dataset import Dataset, Split
from unikeras.errors import UnikerasError
from unikeras.reporting import classes, headline, pictures, words
from unikeras.reporting.subject import Subject, shortest_tails

SECTIONS = ["curves", "classes", "mistakes", "samples", "machine", "differences", "environment", "repeat"]
CLASSES = [HOSTILE[0], HOSTILE[2], "plain"]  # folder names; a slash can't be in one
BENCH = {
    "settings": {"model": "mlp", "dataset": "digits", "threads": 1},
    "races": [
        {
            "batch_size": 64,
            "contestants": [
                {"name": name, "variant": "", "images_per_second": speed, "peak_memory_mb": 400.0, "first_step_seconds": 0.02}
                for name, speed in (("native-torch", 17657.0), (HOSTILE[1], 16540.0))
            ],
            "ratios": [
                {"contestant": "torch", "rival": "native-torch", "verdict": "slower", "median": 0.92, "low": 0.88, "high": 0.94}
            ],
            "noise": {"low": 0.98, "high": 1.02},
        }
    ],
    "warnings": ["The machine is busy."],
    "environment": {"cpu": "a processor"},
    "date": "2026-11-23",
}


def train(output: Path, dataset: str | Path, *more: Any) -> None:
    options = ["--backend", "native-torch", "--model", "mlp", "--dataset", dataset, "--epochs", "3", "--batch-size", "16"]
    answer = unikeras("train", *options, "--log-every", "1", "--output", output, *more, "--json")
    assert answer.code == 0, answer
    assert len(answer.json["runs"]) == 1


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("report")


@pytest.fixture(scope="module")
def photos(place: Path) -> Path:
    """Noise in folders of hostile names."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 16), ("test", 7)):
        for name in CLASSES:
            folder = place / "photos" / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8)).save(folder / f"{number}.png")
    return place / "photos"


@pytest.fixture(scope="module")
def trained(place: Path, photos: Path) -> Path:
    """A run in a folder of a hostile name, with the report that its training has written."""
    train(place / HOSTILE[2], photos, "--report", place / "trained.html")
    return place / HOSTILE[2]


@pytest.fixture(scope="module")
def pair(place: Path, trained: Path) -> list[Path]:
    """The run and another of the same weights, whose learning rate is said to be another."""
    other = shutil.copytree(trained, place / "other")
    config = other / "config.yaml"
    config.write_text(config.read_text().replace("learning_rate: 0.003", "learning_rate: 0.125"))
    return [trained, other]


@pytest.fixture(scope="module")
def vectors(place: Path) -> Path:
    """A run on data that are no pictures."""
    train(place / "vectors", "random:8:3:60")
    return place / "vectors"


@pytest.fixture(scope="module")
def written(place: Path, pair: list[Path]) -> Path:
    """A page with everything in it."""
    check, bench = place / "check.json", place / "bench.json"
    check.write_text(json.dumps(make_result()))
    bench.write_text(json.dumps(BENCH))
    return uk.report(pair, place / "pair.html", check=check, bench=bench, quiet=True)


def page_of(runs: Any, folder: Path, **options: Any) -> Page:
    return Page(uk.report(runs, folder / "page.html", quiet=True, **options).read_text(encoding="utf-8"))


def test_a_training_writes_the_report_of_its_run(trained: Path, place: Path) -> None:
    page = Page((place / "trained.html").read_text(encoding="utf-8"))
    accuracy = uk.load_run(trained).result["test_accuracy"]
    assert page.text.index(f"{accuracy:.2%} of the test images are recognised") < page.text.index("Loss and accuracy")
    assert [name for name in page.ids if name in SECTIONS] == [name for name in SECTIONS if name != "differences"]
    assert str(trained.name) in page.text


def test_every_section_follows_the_verdict(written: Path) -> None:
    page = Page(written.read_text(encoding="utf-8"))
    expected = [*SECTIONS[:5], "check", "bench", *SECTIONS[5:]]
    assert [name for name in page.ids if name in expected] == expected
    assert "give the same answer for every test image" in page.text
    assert "The check that was given says: All 3 backends agree" in page.text
    for said in ("17,657", "0.88 to 0.94", "The machine is busy.", "forward pass"):
        assert said in page.text


def test_what_differs_is_shown_and_how_to_repeat_each(pair: list[Path], written: Path) -> None:
    page = Page(written.read_text(encoding="utf-8"))
    section = page.text[page.text.index("What differs between the runs") : page.text.index("Environment and settings")]
    assert re.search(r"learning rate\s*0\.003\s*0\.125", section)
    assert "batch size" not in section
    commands = re.findall(r"unikeras train --backend native-torch --model mlp --dataset .*?--log-every 1", page.text)
    assert ["--learning-rate 0.125" in command for command in commands] == [False, True]
    assert all("--epochs 3 --batch-size 16" in command and "--seed" not in command for command in commands)


def test_the_matrix_counts_every_test_image_and_precision_is_that_of_scikit_learn(trained: Path, place: Path) -> None:
    from sklearn import metrics

    page = Page((place / "trained.html").read_text(encoding="utf-8"))
    (matrix,) = [rows for name, rows in page.tables.items() if name.startswith("data-matrix")]
    counts = np.array([[int(cell.replace("·", "")) for cell in row[1:]] for row in matrix[1:]])
    kept = predictions.load(uk.load_run(trained), uk.load_run(trained).provenance["data_hash"])
    assert kept is not None
    assert counts.sum() == len(kept.labels) == 21
    assert (counts == metrics.confusion_matrix(kept.labels, kept.predicted, labels=range(3))).all()
    (table,) = [rows for name, rows in page.tables.items() if name.startswith("data-classes")]
    figures = metrics.precision_recall_fscore_support(kept.labels, kept.predicted, labels=range(3), zero_division=np.nan)
    for row, *expected in zip(table[1:], *figures, strict=True):
        assert row[1:4] == ["\u2013" if np.isnan(value) else f"{value:.1%}" for value in expected[:3]]
        assert int(row[4]) == expected[3]


def test_the_mistakes_are_the_wrong_ones_the_most_confident_first(trained: Path, place: Path) -> None:
    page = Page((place / "trained.html").read_text(encoding="utf-8"))
    kept = predictions.load(uk.load_run(trained), uk.load_run(trained).provenance["data_hash"])
    assert kept is not None
    wrong = np.flatnonzero(~kept.correct)
    order = wrong[np.argsort(-kept.confidence[wrong], kind="stable")]
    section = page.text[page.text.index("The most confident mistakes") : page.text.index("Sample predictions")]
    assert [int(number) for number in re.findall(r"no\. (\d+)", section)] == order[:24].tolist()
    sources = [value for tag, name, value in page.attributes if (tag, name) == ("img", "src")]
    assert len(sources) == len(order[:24]) + 21
    assert all(source.startswith("data:image/png;base64,") for source in sources)


def test_names_of_classes_folders_and_contestants_stay_text(written: Path) -> None:
    page = Page(written.read_text(encoding="utf-8"))
    assert not page.tags.keys() & {"svg", "textarea", "b onload"}
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    assert "x" not in [value for tag, name, value in page.attributes if name == "src"]
    for name in (*CLASSES, HOSTILE[1]):
        assert " ".join(name.split()) in page.text
    assert page.tags["script"] == Page((written.parent / "trained.html").read_text(encoding="utf-8")).tags["script"]


def test_nothing_is_loaded_from_anywhere(written: Path) -> None:
    text = written.read_text(encoding="utf-8")
    attributes = Page(text).attributes
    loading = [value for _, name, value in attributes if name in ("src", "href", "action", "srcset", "data")]
    assert all(value.startswith(("#", "data:")) for value in loading)
    assert [value for _, name, value in attributes if name == "content" and "default-src 'none'" in value]
    assert len(text) < 4e6


def test_all_figures_can_be_saved(written: Path) -> None:
    import gzip

    (packed,) = re.findall(r'id="packed-data">([^<]*)<', written.read_text(encoding="utf-8"))
    saved = json.loads(gzip.decompress(base64.b64decode(packed)))
    assert [len(run["epochs"]) for run in saved] == [3, 3]
    assert np.sum(saved[0]["confusion_matrix"]) == 21


def test_every_epoch_says_its_memory(trained: Path) -> None:
    peaks = [row["peak_memory_mb"] for row in uk.load_run(trained).metrics if row["kind"] == "epoch"]
    assert 50 < peaks[0] <= peaks[-1] <= uk.load_run(trained).result["peak_memory_mb"]


def unfinished(trained: Path, folder: Path) -> Path:
    """The run as if it had been killed while the second epoch's row was written."""
    copy = shutil.copytree(trained, folder / "unfinished")
    for name in ("result.json", "weights.safetensors", "predictions.safetensors"):
        (copy / name).unlink()
    lines = (copy / "metrics.jsonl").read_bytes().splitlines(keepends=True)
    ends = [index for index, line in enumerate(lines) if b'"epoch", ' in line]
    (copy / "metrics.jsonl").write_bytes(b"".join(lines[: ends[1]]) + lines[ends[1]][:30])
    return copy


def test_an_unfinished_run_is_shown_as_far_as_it_came(trained: Path, tmp_path: Path) -> None:
    page = page_of(unfinished(trained, tmp_path), tmp_path)
    assert "native-torch did not finish: `unikeras resume` goes on with it (1 of 3 epochs done)" in page.text
    assert "so that there are no weights to predict with" in page.text
    assert "of 6 logged steps" in page.text, "3 in the first epoch and 3 in the second"


def test_a_run_that_ended_at_once_is_shown_empty(trained: Path, tmp_path: Path) -> None:
    (tmp_path / "begun").mkdir()
    shutil.copy(trained / "config.yaml", tmp_path / "begun")
    page = page_of(tmp_path / "begun", tmp_path)
    assert "ended before its first checkpoint (0 of 3 epochs done)" in page.text
    assert "No step has been logged yet." in page.text


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize(("harm", "said"), [("gone", "is no longer there"), ("changed", "has changed since the run was trained")])
def test_without_its_dataset_a_report_is_written_without_pictures(
    trained: Path, photos: Path, tmp_path: Path, harm: str, said: str, kept: bool
) -> None:
    copy, moved = shutil.copytree(trained, tmp_path / "run"), shutil.move(photos, tmp_path / "moved")
    if not kept:
        (copy / predictions.run.PREDICTIONS).unlink()
    try:
        if harm == "changed":
            shutil.copytree(moved, photos)
            (photos / "test" / "plain" / "0.png").unlink()
        page = page_of(copy, tmp_path)
    finally:
        shutil.rmtree(photos, ignore_errors=True)
        shutil.move(moved, photos)
    assert said in page.text
    assert not page.tags["img"]
    assert ("Most often confused" in page.text) == kept


def test_runs_on_different_data_stand_side_by_side(trained: Path, vectors: Path, tmp_path: Path) -> None:
    page = page_of([trained, vectors], tmp_path)
    assert "2 runs on different data" in page.text
    assert "McNemar" not in page.text
    assert "The data are no pictures: a sample is an array of 8." in page.text
    assert len([name for name in page.tables if name.startswith("data-matrix")]) == 2


def test_a_folder_of_runs_stands_for_all_and_a_run_is_shown_once(pair: list[Path], tmp_path: Path) -> None:
    for run in pair:
        shutil.copytree(run, tmp_path / "runs" / run.name)
    page = page_of([tmp_path / "runs", tmp_path / "runs" / "other"], tmp_path)
    assert "report of 2 runs" in page.text


@pytest.mark.parametrize(
    ("option", "text", "said"),
    [
        ("check", "{", "is no result of `unikeras check`: it is no JSON"),
        ("check", "[]", "is no result of `unikeras check`"),
        ("check", json.dumps(BENCH), "agree is missing"),
        ("bench", json.dumps({"settings": BENCH["settings"]}), "races is missing"),
        ("bench", json.dumps({**BENCH, "races": [{"batch_size": 64}]}), "races[0].contestants is missing"),
        ("check", None, "can't be read"),
    ],
)
def test_a_result_that_is_none_is_refused(trained: Path, tmp_path: Path, option: str, text: str | None, said: str) -> None:
    file = tmp_path / "file.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(UnikerasError, match=re.escape(said)) as caught:
        uk.report(trained, tmp_path / "page.html", quiet=True, **{option: file})
    assert f"--{option} {file}" in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_damaged_row_is_named(trained: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(trained, tmp_path / "run")
    with (copy / "metrics.jsonl").open("a") as file:
        file.write('{"kind": "epoch", "epoch": 4, "step": "x"}\n')
    with pytest.raises(UnikerasError, match=r"Line 13 of .* is damaged: step is 'x' and no whole number"):
        uk.report(copy, tmp_path / "page.html", quiet=True)


def test_the_command_line_says_what_is_wrong(trained: Path, tmp_path: Path) -> None:
    nothing = unikeras("report", tmp_path / "nowhere", "--output", tmp_path / "page.html")
    assert nothing.code == 2
    assert "There is no run folder" in nothing.err
    empty = unikeras("report", tmp_path, "--output", tmp_path / "page.html")
    assert "holds no run" in empty.err
    unwritable = unikeras("report", trained, "--output", tmp_path / "missing" / "page.html")
    assert unwritable.code == 2
    assert "--output can't be written to" in unwritable.err
    early = unikeras("train", "--report", tmp_path / "missing" / "page.html", "--output", tmp_path / "run")
    assert "--report can't be written to" in early.err
    assert not (tmp_path / "run").exists(), "it is said before anything is trained"


def test_the_command_line_writes_and_names_the_page(trained: Path, tmp_path: Path) -> None:
    answer = unikeras("report", trained, cwd=tmp_path)
    assert answer.code == 0, answer
    assert "report: report.html" in answer.out
    assert (tmp_path / "report.html").stat().st_size > 1e5


# Figures, without a page


def test_classes_without_images_have_no_recall_and_many_classes_no_matrix() -> None:
    answers = predictions.Predictions(np.array([0, 0, 1]), np.array([0, 1, 1]), np.ones(3, np.float32))
    found = classes.describe(answers, ["a", "b", "c"])
    assert [(row.precision, row.recall) for row in found.rows] == [(1.0, 0.5), (0.5, 1.0), (None, None)]
    assert found.confusions == [("a", "b", 1, 0.5)]
    many = classes.describe(answers, [str(label) for label in range(classes.MOST_CLASSES + 1)])
    assert many.matrix == []
    assert many.confusions == [("0", "1", 1, 0.5)]


def dataset_of(x: np.ndarray) -> Dataset:
    split = Split(x, np.zeros(len(x), np.int64))
    statistics = {"minimum": float(x.min()), "maximum": float(x.max())}
    return Dataset("data", split, split, x.shape[1:], ("a",), "hash", statistics)


@pytest.mark.parametrize("shape", [(8, 6), (8, 6, 1), (8, 6, 3)])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_a_picture_has_the_pixels_of_the_sample(shape: tuple[int, ...], dtype: str) -> None:
    values = np.random.default_rng(0).integers(0, 256, (3, *shape))
    values.flat[:2] = 0, 255
    x = values.astype(dtype) / (1 if dtype == "uint8" else np.float32(255))
    seen = pictures.picture(dataset_of(x.astype(dtype)), 1)
    image = Image.open(io.BytesIO(base64.b64decode(seen.uri.partition(",")[2])))
    assert (seen.width, seen.height, seen.sharp) == (6, 8, True)
    assert (np.asarray(image).reshape(shape) == values[1]).all()


def test_a_large_picture_is_made_small() -> None:
    seen = pictures.picture(dataset_of(np.zeros((1, 1000, 500, 3), np.uint8)), 0)
    assert (seen.width, seen.height, seen.sharp) == (80, 160, False)
    assert len(seen.uri) < 5000


def subject_of(trained: Path, name: str, right: list[int]) -> Subject:
    """A run that gives some of 20 test images their class."""
    finished = uk.load_run(trained)
    predicted = np.isin(np.arange(20), right).astype(np.int64)
    answers = predictions.Predictions(np.ones(20, np.int64), predicted, np.ones(20, np.float32))
    result = {**finished.result, "test_accuracy": len(right) / 20}
    return Subject(name, finished, "finished", result, finished.provenance, finished.metrics, answers)


def test_a_difference_between_runs_is_weighed_against_chance(trained: Path) -> None:
    """By Holm's correction, as `compare --test` does: two tests double the smaller p of 2/2¹⁵."""
    good, close, bad = (subject_of(trained, name, right) for name, right in (("a", [*range(15)]), ("b", [*range(14)]), ("c", [])))
    told = headline.describe([bad, close, good])
    assert told["headline"] == "a recognises 75.00% of the test images, c 0.00%"
    assert told["sentences"] == [
        "a alone is right for 1 test image, b alone for 0: no more than chance explains (McNemar's exact test, p = 1).",
        "a alone is right for 15 test images, c alone for 0: more than chance explains (McNemar's exact test, p = 1.2e-4).",
    ]
    assert headline.describe([good, dataclasses.replace(good, name="d")])["headline"].startswith("Both runs recognise 75.00%")


def test_runs_have_the_shortest_names_that_differ() -> None:
    assert shortest_tails([Path("/x/a/run"), Path("/x/b/run")]) == ["a/run", "b/run"]
    assert shortest_tails([Path("/x/a/run")]) == ["run"]


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.016, "16 ms"), (0.4, "0.4 s"), (17.2, "17 s"), (200.4, "3 min 20 s"), (7500, "2 h 5 min")]
)
def test_durations_have_the_unit_that_matters(seconds: float, shown: str) -> None:
    assert words.duration(seconds) == shown


# In a browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("no chromium here")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield opened
        opened.close()


@dataclasses.dataclass
class Opened:
    """The page in a window, with all that it asked for and all that went wrong. Opening takes long: tests share it."""

    page: Any
    requests: list[str]
    complaints: list[str]


@pytest.fixture(scope="module")
def window(browser: Any, written: Path) -> Opened:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    found = Opened(page, [], [])
    page.on("request", lambda asked: found.requests.append(asked.url))
    page.on("console", lambda message: found.complaints.append(message.text))
    page.on("pageerror", lambda error: found.complaints.append(str(error)))
    page.on("dialog", lambda dialog: found.complaints.append(dialog.message))
    page.goto(written.as_uri())
    page.wait_for_selector("#machine .main-svg")
    return found


def lines(page: Any, chart: str) -> int:
    return int(page.locator(f'[data-chart="{chart}"] .scatterlayer .trace').count())


def layout(page: Any, what: str) -> Any:
    return page.evaluate(f"document.querySelector('[data-chart=loss]')._fullLayout.{what}")


def test_curves_follow_their_switches_and_views(window: Opened) -> None:
    page, first, training = window.page, '[data-switch="run"][value="0"]', '[data-switch="split"][value="train"]'
    assert (lines(page, "loss"), lines(page, "machine")) == (4, 2)
    page.locator(first).uncheck()
    assert (lines(page, "loss"), lines(page, "machine")) == (2, 1)
    page.locator(training).uncheck()
    assert lines(page, "accuracy") == 1
    page.locator('[name="learning"][value="step"]').check()
    for chart in ("loss", "accuracy"):
        assert page.locator(f'[data-chart="{chart}"] .xtitle').text_content() == "training step"
    for box in (first, training, '[name="learning"][value="epoch"]'):
        page.locator(box).check()
    assert lines(page, "loss") == 4


def test_hovering_a_curve_shows_its_figures(window: Opened, pair: list[Path]) -> None:
    area = window.page.locator('[data-chart="loss"] .nsewdrag').first
    area.scroll_into_view_if_needed()
    area.hover()
    window.page.wait_for_selector('[data-chart="loss"] .hoverlayer .legend')
    shown = window.page.locator('[data-chart="loss"] .hoverlayer').text_content()
    losses = [f"{row['test_loss']:.4f}" for row in uk.load_run(pair[0]).metrics if row["kind"] == "epoch"]
    assert losses[1] in shown, "the middle of the chart is the second of three epochs"


def test_buttons_zoom_with_the_keyboard(window: Opened) -> None:
    page = window.page
    low, high = layout(page, "xaxis.range")
    page.locator('[data-zoom="loss"] [data-do="in"]').focus()
    page.keyboard.press("Enter")
    page.wait_for_function("low => document.querySelector('[data-chart=loss]')._fullLayout.xaxis.range[0] > low", arg=low)
    assert layout(page, "xaxis.range")[1] < high
    page.locator('[data-zoom="loss"] [data-do="all"]').press("Enter")
    page.wait_for_function("low => document.querySelector('[data-chart=loss]')._fullLayout.xaxis.range[0] === low", arg=low)


def test_a_part_shows_the_run_that_is_chosen(window: Opened) -> None:
    first, second = window.page.locator('[data-panel="mistakes"]').all()
    assert first.is_visible()
    assert not second.is_visible()
    window.page.locator('[data-panels="mistakes"] input').nth(1).check()
    assert not first.is_visible()
    assert second.is_visible()


def test_the_matrix_tells_its_shares_to_mouse_and_keyboard(window: Opened) -> None:
    page, cell = window.page, window.page.locator("table.confusion [data-tip]:visible").first
    cell.hover()
    assert re.search(r"of 7 images, \d+\.\d%", page.locator("#tip").text_content())
    cell.focus()
    page.keyboard.press("ArrowDown")
    moved = page.evaluate("document.activeElement.dataset.tip")
    assert moved != cell.get_attribute("data-tip")
    assert page.locator("#tip").text_content() == moved
    page.keyboard.press("Escape")
    assert not page.locator("#tip").is_visible()


CONTROL = """() => { const e = document.activeElement; return e.matches(".skip") ? "skip" : e.dataset.switch ? "switch"
: e.closest("[data-views]") ? "view" : e.dataset.do ? "zoom" : e.closest("[data-panels]") ? "chooser"
: e.dataset.tip ? "cell" : e.dataset.copy ? "copy" : e.dataset.save ? "save" : e.localName; }"""


def test_the_tab_key_reaches_every_control(window: Opened) -> None:
    window.page.locator(".skip").focus()
    reached = {window.page.evaluate(CONTROL)}
    for _ in range(120):
        window.page.keyboard.press("Tab")
        reached.add(window.page.evaluate(CONTROL))
        if "save" in reached:
            break
    assert reached >= {"skip", "a", "switch", "view", "zoom", "chooser", "cell", "summary", "copy", "save"}


def test_every_chart_has_words_and_a_table(window: Opened) -> None:
    charts = window.page.locator("[data-chart]").all()
    assert len(charts) == 3
    for chart in charts:
        assert chart.get_attribute("role") == "img"
        assert re.search(r"from \d|images a second", chart.get_attribute("aria-label"))
    assert window.page.locator("#curves details table").count() == 4
    assert window.page.locator("#machine details table").count() == 2


def test_charts_follow_the_page_to_dark_and_light(window: Opened) -> None:
    seen = set()
    for scheme in ("dark", "light"):
        window.page.emulate_media(color_scheme=scheme)
        surface = window.page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--surface').trim()")
        window.page.wait_for_function(
            "surface => document.querySelector('[data-chart=loss]')._fullLayout.paper_bgcolor === surface", arg=surface
        )
        seen.add(surface)
    assert len(seen) == 2


def test_a_phone_shows_it_without_scrolling_sideways(window: Opened) -> None:
    window.page.set_viewport_size({"width": 390, "height": 844})
    window.page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    window.page.wait_for_function(
        "() => document.querySelector('[data-chart=loss] .main-svg').getBoundingClientRect().right <= 390"
    )
    assert window.page.evaluate("document.documentElement.scrollWidth") <= 390


def test_nothing_went_wrong_and_nothing_was_asked_for(window: Opened, written: Path) -> None:
    """After all that the tests above did with the page."""
    assert [url for url in window.requests if not url.startswith("data:")] == [written.as_uri()]
    assert window.complaints == []
