"""The HTML report of `unikeras bench`: verdict first, complete, offline, escaped, and drawn in a real browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pages import CHROMIUM, HOSTILE, Page

from unikeras.reporting.bench import render

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
    assert [name for name in page.ids if name in ("ratios", "speeds", "rounds", "environment", "repeat")] == [
        "ratios",
        "speeds",
        "rounds",
        "environment",
        "repeat",
    ]
    for text in ("2,000", "6,000", "400 MB", "2.06 to 2.16", "The machine is busy.", "a processor", "unikeras bench --backends"):
        assert text in page.text, text


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
    file.write_text(render(make_result()), encoding="utf-8")
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
        points = page.locator('[data-chart="ratios"] .scatterlayer .point')
        assert points.count() == 2
        page.locator('[name="ratios"][value="batch size 256"]').check()
        assert points.count() == 1
        assert page.locator('[data-chart="rounds"] .scatterlayer .trace').count() == len(SPEEDS)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, "nothing is wider than a phone"
        browser.close()
    assert requests == [file.as_uri()]
    assert complaints == []
