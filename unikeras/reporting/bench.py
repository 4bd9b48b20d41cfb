"""The report of `unikeras bench`: who is faster beyond the noise, first; then every figure, and how to repeat it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from unikeras.reporting import bench_bars, bench_charts, words
from unikeras.reporting.page import render_page

Row = dict[str, Any]

# Title of a column, its key, and how its values are written. Results of older versions, and races without a limit, lack some.
COLUMNS: tuple[tuple[str, str, Callable[[float], str]], ...] = (
    ("evaluation images/s", "evaluation_images_per_second", lambda value: f"{value:,.0f}"),
    ("end-to-end images/s", "end_to_end_images_per_second", lambda value: f"{value:,.0f}"),
    ("of the limit", "limit_share", lambda value: f"{value:.0%}"),
    ("import", "import_seconds", words.duration),
    ("build", "build_seconds", words.duration),
    ("first step", "first_step_seconds", words.duration),
    ("largest memory", "peak_memory_mb", lambda value: f"{value:,.0f} MB"),
)

# The same for what the system tells of the time of the race.
MACHINE: tuple[tuple[str, str, Callable[[Any], str]], ...] = (
    ("processors given to other guests of the host", "stolen_share", lambda value: f"{value:.1%} of their time"),
    ("processors used by other processes", "others_share", lambda value: f"{value:.1%} of their time"),
    ("load in the minute before", "load_before", lambda value: f"{value:.1f} processes a core"),
    ("slowed down for heat", "throttled", lambda value: words.count(value, "time")),
    ("governor of the frequency", "governor", str),
    ("on battery", "on_battery", words.fact),
)

TONES = {"faster": "good", "slower": "bad", "no difference": "even"}


def render(result: dict[str, Any]) -> str:
    """Complete HTML of one offline file.

    Args:
        result: Of `unikeras bench --json`.
    """
    charts = {
        "ratios": bench_charts.ratios(result),
        "speeds": bench_bars.speeds(result),
        "rounds": bench_charts.rounds(result),
        "start": bench_bars.start(result),
        "memory": bench_bars.memory(result),
    }
    drawn = {name: views for name, views in charts.items() if views}
    context = {"bench": summary(result), "drawn": drawn, "sections": _sections(drawn), "words": words}
    return render_page("bench.html.j2", context, drawn, result)


def _sections(drawn: dict[str, Any]) -> list[tuple[str, str]]:
    """Ids and titles of the links at the top."""
    titles = {"ratios": "Ratios", "speeds": "Speeds", "rounds": "Rounds"}
    start = [("start", "Start and memory")] if {"start", "memory"} & set(drawn) else []
    charts = [(id, title) for id, title in titles.items() if id in drawn]
    return [*charts, *start, ("figures", "Every figure"), ("environment", "Environment"), ("repeat", "Repeat")]


def summary(result: dict[str, Any]) -> dict[str, Any]:
    """The result with a verdict in words, and tables ready to be shown."""
    verdicts = Counter(row["verdict"] for race in result["races"] for row in race["ratios"])
    return {
        "result": result,
        "state": "agree" if verdicts["faster"] and not verdicts["slower"] else "even",
        "headline": _headline(verdicts) if result["races"] else _headline_of_courses(result),
        "races": [_race(race) for race in result["races"]],
        "courses": [_course(race) for race in result.get("accuracy_races", [])],
        "machine": _machine(result["machine"]) if "machine" in result else None,
        "threads": words.count(result["settings"]["threads"], "thread") if result["settings"]["threads"] else None,
    }


def _headline(verdicts: Counter[str]) -> str:
    if not verdicts:
        return "Speeds, without a rival"
    parts = [f"{verdicts[name]} {name}" for name in ("faster", "slower") if verdicts[name]]
    even = f"{verdicts['no difference']} within the noise" if verdicts["no difference"] else ""
    return f"Of {words.count(verdicts.total(), 'comparison')}: {words.enumeration([*parts, *([even] if even else [])])}"


def _headline_of_courses(result: dict[str, Any]) -> str:
    if not result.get("accuracy_races"):
        return "No race"
    settings = result["settings"]
    return f"Time to {settings['to_accuracy']:.1%} of the test images, over {words.count(settings['seeds'], 'seed')}"


def _course(race: dict[str, Any]) -> dict[str, Any]:
    rows = race["contestants"]
    longest = max((row["median_seconds"] or 0.0 for row in rows), default=0.0)
    names = ("median_seconds", "least_seconds", "most_seconds")
    return {
        "batch_size": race["batch_size"],
        "rows": [
            {
                **row,
                "share": (row["median_seconds"] or 0.0) / longest if longest else 0.0,
                "cells": ["" if row[name] is None else words.duration(row[name]) for name in names],
                "seeds": f"{row['reached']} of {len(row['runs'])}",
            }
            for row in rows
        ],
    }


def _race(race: dict[str, Any]) -> dict[str, Any]:
    columns = [
        (title, key, write) for title, key, write in COLUMNS if any(row.get(key) is not None for row in race["contestants"])
    ]
    fastest = max((row["images_per_second"] for row in race["contestants"]), default=0.0)
    return {
        "batch_size": race["batch_size"],
        "view": bench_charts.view(race),
        "columns": [title for title, _, _ in columns],
        "rows": [
            {
                **row,
                "share": row["images_per_second"] / fastest if fastest else 0.0,
                "cells": ["" if row.get(key) is None else write(row[key]) for _, key, write in columns],
            }
            for row in race["contestants"]
        ],
        "ratios": race["ratios"],
        "noise": race["noise"],
        "band": bench_charts.band_of(race),
        "outcomes": [
            {"tone": TONES[row["verdict"]], "verdict": row["verdict"], "text": _sentence(row)} for row in race["ratios"]
        ],
        "labels": {
            "speeds": words.enumeration([f"{row['name']} {row['images_per_second']:,.0f}" for row in race["contestants"]]),
            "start": words.enumeration([f"{row['name']} {_start(row)}" for row in race["contestants"]]),
            "memory": words.enumeration([f"{row['name']} {row['peak_memory_mb']:,.0f}" for row in race["contestants"]]),
        },
    }


def _start(row: Row) -> str:
    return words.duration(sum(row.get(key) or 0.0 for key in bench_bars.PARTS.values()))


def _machine(seen: dict[str, Any]) -> dict[str, str]:
    """What the system told of the time of the race."""
    return {title: "not told by the system" if seen.get(key) is None else write(seen[key]) for title, key, write in MACHINE}


def _sentence(row: Row) -> str:
    """Slower is said as a share: 0.8 times as fast."""
    if row["verdict"] == "no difference":
        return f"{row['contestant']} beside {row['rival']}: {row['median']:.2f} ({row['low']:.2f} to {row['high']:.2f})"
    return f"{row['contestant']} is {row['median']:.2f} times as fast as {row['rival']} ({row['low']:.2f} to {row['high']:.2f})"
