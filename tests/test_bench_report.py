"""The HTML report of `unikeras bench`: verdict first, complete, offline, escaped, and drawn in a real browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pages import CHROMIUM, HOSTILE, Page

from unikeras.bench_statistics import Ratio, verdict
from unikeras.reporting import bench_bars, bench_charts
from unikeras.reporting.bench import render

SECTIONS = ["ratios", "speeds", "rounds", "start", "figures", "environment", "repeat"]
SPEEDS = {"native-torch": 2000.0, "torch": 1900.0, HOSTILE[1]: 900.0}


def contestant(name: str, speed: float, **more: Any) -> dict[str, Any]:
    seconds = {"import_seconds": 2.5, "build_seconds": 0.1, "first_step_seconds": 0.02}
    figures = {"images_per_second": speed, "evaluation_images_per_second": 3 * speed, "peak_memory_mb": 400.0}
    return {"name": name, "variant": "", **seconds, **figures, "rounds": [1 / speed, 1.1 / speed], **more}


def compared(name: str, rival: str, median: float, verdict: str) -> dict[str, Any]:
    return {"contestant": name, "rival": rival, "median": median, "low": median - 0.05, "high": median + 0.05, "verdict": verdict}


def make_result(**more: Any) -> dict[str, Any]:
    ratios = [compared("torch", HOSTILE[1], 2.11, "faster"), compared("torch", "native-torch", 0.97, "no difference")]
    race = {
        "contestants": [contestant(name, speed, **more) for name, speed in SPEEDS.items()],
        "noise": {"median": 1.0, "low": 0.98, "high": 1.02},
    }
    return {
        "settings": {"model": "cnn", "dataset": "digits", "threads": None},
        "races": [{**race, "batch_size": 64, "ratios": ratios}, {**race, "batch_size": 256, "ratios": ratios[:1]}],
        "warnings": ["The machine is busy."],
        "environment": {"cpu": "a processor", "cores": 2, "versions": {"torch": "2.13"}},
        "command": "unikeras bench --backends torch,native-torch",
        "date": "2026-11-23",
    }


def test_the_verdict_comes_first_then_every_figure() -> None:
    page = Page(render(make_result()))
    assert page.text.index("Of 3 comparisons: 2 faster and 1 within the noise") < page.text.index("How many times as fast")
    assert page.text.count("torch is 2.11 times as fast as") == 2
    assert [name for name in page.ids if name in SECTIONS] == SECTIONS
    for text in ("2,000", "6,000", "400 MB", "2.06 to 2.16", "The machine is busy.", "a processor", "unikeras bench --backends"):
        assert text in page.text, text


def test_each_comparison_is_said_in_words_and_warnings_come_before_the_charts() -> None:
    page = Page(render(make_result()))
    assert "no difference torch beside native-torch: 0.97 (0.92 to 1.02)" in page.text
    assert page.text.count("The machine is busy.") == 1
    assert page.text.index("The machine is busy.") < page.text.index("How many times as fast")


def test_what_is_called_no_difference_lies_in_the_shaded_band() -> None:
    race = make_result()["races"][0] | {"noise": {"low": 0.9, "high": 1.07}}
    shape = bench_charts.ratios({"races": [race]})["batch size 64"]["layout"]["shapes"][0]
    edge = 1e-6
    for low, high, expected in ((shape["x1"] + edge, 2.0, "faster"), (0.5, shape["x0"] - edge, "slower")):
        assert verdict(Ratio(1.0, low, high), Ratio(1.0, 0.9, 1.07)) == expected
    assert verdict(Ratio(1.0, shape["x1"] - edge, 2.0), Ratio(1.0, 0.9, 1.07)) == "no difference"
    assert verdict(Ratio(1.0, 0.5, shape["x0"] + edge), Ratio(1.0, 0.9, 1.07)) == "no difference"


def test_bars_have_the_spread_of_the_rounds_and_the_parts_of_the_start() -> None:
    result = make_result()
    bars = bench_bars.speeds(result)["batch size 64"]["data"][0]
    assert bars["x"] == list(SPEEDS.values())
    assert bars["error_x"]["array"][0] == pytest.approx(0)
    assert bars["error_x"]["arrayminus"][0] == pytest.approx(2000 - 2000 / 1.1)
    parts = {trace["name"]: trace["x"][0] for trace in bench_bars.start(result)["batch size 256"]["data"]}
    assert parts == {"import": 2.5, "build": 0.1, "first step": 0.02}


def test_every_round_is_in_a_table() -> None:
    head, first, *_ = Page(render(make_result())).tables["data-rounds 256"]
    assert head == ["contestant", "1", "2"]
    assert first == ["native-torch", "2,000", "1,818"]


def test_every_chart_says_its_numbers_in_its_text_alternative() -> None:
    page = Page(render(make_result()))
    labels = " ".join(value for tag, name, value in page.attributes if tag == "div" and name == "aria-label")
    for text in ("faster, torch is 2.11 times as fast as", "native-torch 2,000", "native-torch 2.6 s", "native-torch 400"):
        assert text in labels, text


def test_results_of_older_and_newer_versions_have_a_page() -> None:
    assert "The machine meanwhile" not in Page(render(make_result())).text
    told = {"stolen_share": 0.031, "others_share": None, "throttled": 2, "governor": "powersave", "new": {"of": 1}}
    page = Page(render({**make_result(new_key=[1]), "machine": told, "unknown": {}}))
    for text in ("3.1% of their time", "not told by the system", "2 times", "powersave"):
        assert text in page.text, text
    old = make_result()
    for race in old["races"]:
        for row in race["contestants"]:
            for key in ("rounds", "import_seconds", "build_seconds"):
                row.pop(key, None)
    assert not {"rounds", "start-data"} & set(Page(render(old)).ids)


def test_columns_are_there_where_they_were_measured() -> None:
    assert "of the limit" not in Page(render(make_result())).text
    page = Page(render(make_result(limit_share=0.61, end_to_end_images_per_second=1234.0)))
    for text in ("of the limit", "61%", "end-to-end images/s", "1,234"):
        assert text in page.text, text


def test_names_stay_text() -> None:
    page = Page(render(make_result()))
    assert page.tags["img"] == 0
    assert not [value for _, name, value in page.attributes if name.startswith("on")]
    assert HOSTILE[1].replace(" ", "") in page.text.replace(" ", "")


def test_a_benchmark_without_rivals_has_a_page() -> None:
    result = make_result()
    result["races"] = [{**race, "ratios": []} for race in result["races"]]
    page = Page(render(result))
    assert "Speeds, without a rival" in page.text
    assert "ratios" not in page.ids


def test_times_to_an_accuracy_are_a_table() -> None:
    runs = [{"seed": seed, "seconds": 3.0 + seed, "epochs": 2, "accuracy": 0.97, "reached": True} for seed in range(3)]
    row = {"name": "torch", "variant": "", "median_seconds": 4.0, "least_seconds": 3.0, "most_seconds": 5.0, "median_epochs": 2}
    lost = {
        **row,
        "name": HOSTILE[0],
        **dict.fromkeys(("median_seconds", "least_seconds", "most_seconds")),
        "reached": 1,
        "runs": runs,
    }
    result = {**make_result(), "races": []}
    result["settings"] |= {"to_accuracy": 0.95, "seeds": 3}
    result["accuracy_races"] = [{"batch_size": 64, "contestants": [{**row, "reached": 3, "runs": runs}, lost]}]
    page = Page(render(result))
    for text in ("Time to 95.0% of the test images, over 3 seeds", "4.0 s", "3 of 3", "1 of 3"):
        assert text in page.text, text


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium here")
def test_a_browser_draws_it_switches_views_and_asks_for_nothing(tmp_path: Path) -> None:
    playwright = pytest.importorskip("playwright.sync_api")
    file = tmp_path / "bench.html"
    result = make_result(limit_share=0.61, end_to_end_images_per_second=1234.0, variant="channels_last, fused, eager")
    file.write_text(render(result), encoding="utf-8")
    requests: list[str] = []
    complaints: list[str] = []
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 390, "height": 800})
        page.on("request", lambda asked: requests.append(asked.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(file.as_uri())
        page.wait_for_selector("#rounds .main-svg")
        page.wait_for_selector('[data-chart="memory"] .main-svg')
        assert page.locator('[data-chart="speeds"] .bars .point').count() == len(SPEEDS)
        assert page.locator('[data-chart="start"] .bars .point').count() == 3 * len(SPEEDS)
        points = page.locator('[data-chart="ratios"] .scatterlayer .point')
        assert points.count() == 2
        page.locator('[name="ratios"][value="batch size 256"]').check()
        assert points.count() == 1
        assert page.locator('[data-chart="rounds"] .scatterlayer .trace').count() == len(SPEEDS)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, "nothing is wider than a phone"
        page.set_viewport_size({"width": 1200, "height": 900})
        hidden = "[...document.querySelectorAll('#figures .scroll')].map((box) => box.scrollWidth - box.clientWidth)"
        assert max(page.evaluate(hidden)) == 0, "a wide screen shows every column"
        browser.close()
    assert requests == [file.as_uri()]
    assert complaints == []
