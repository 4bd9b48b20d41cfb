"""Curves of runs: loss, accuracy, speed and memory, and their tables. Values that are no finite number interrupt a line."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

from unikeras.reporting import charts, words
from unikeras.reporting.subject import Subject

MOST_POINTS = 2000  # of a line; more can't be seen, and make the page slow
FEW_EPOCHS = 10
MOST_ROWS = 100  # of a table of steps

Row = dict[str, Any]
Line = tuple[list[Any], list[Any]]

MACHINE = {
    "speed": ("images_per_second", "images a second", ",.0f"),
    "memory": ("peak_memory_mb", "largest memory so far, MB", ",.0f"),
    "seconds": ("train_seconds", "seconds of training in the epoch", ".3g"),
    "rate": ("learning_rate", "learning rate at the end of the epoch", ".3g"),
}


def draw(subjects: Sequence[Subject]) -> dict[str, Any]:
    """Charts by id, each with its views."""
    return {
        "loss": _learning(subjects, "loss", "loss", ".4f"),
        "accuracy": _learning(subjects, "accuracy", "accuracy", ".2%"),
        "machine": {view: _machine(subjects, *of) for view, of in MACHINE.items()},
    }


def captions(subjects: Sequence[Subject]) -> dict[str, str]:
    """What the charts show, in words."""
    return {
        "loss": "Loss. " + " ".join(_course(subject, "loss", words.loss) for subject in subjects),
        "accuracy": "Accuracy. " + " ".join(_course(subject, "accuracy", "{:.2%}".format) for subject in subjects),
        "machine": "Speed and memory by epoch. " + " ".join(map(_effort, subjects)),
    }


def steps(subject: Subject) -> list[Row]:
    """Rows for a table of steps, at equal distances if there are too many; the last one is among them."""
    return _thinned(subject.rows_of("step"), MOST_ROWS)


def _course(subject: Subject, what: str, shown: Callable[[float], str]) -> str:
    """From where to where a figure has gone."""
    epochs = subject.rows_of("epoch")
    if not epochs:
        return f"{subject.name}: no epoch has ended."
    train, test = ([_shown(row[f"{split}_{what}"], shown) for row in (epochs[0], epochs[-1])] for split in ("train", "test"))
    how = f"on training images, from {test[0]} to {test[1]} on test images"
    return f"{subject.name}: in {words.count(len(epochs), 'epoch')} from {train[0]} to {train[1]} {how}."


def _shown(value: float | None, shown: Callable[[float], str]) -> str:
    return "not finite" if value is None else shown(value)


def _effort(subject: Subject) -> str:
    speeds = [row["images_per_second"] for row in subject.rows_of("epoch") if row["images_per_second"]]
    if not speeds:
        return f"{subject.name}: no epoch has ended."
    return f"{subject.name}: {min(speeds):,.0f} to {max(speeds):,.0f} images a second."


def _learning(subjects: Sequence[Subject], what: str, title: str, digits: str) -> dict[str, Any]:
    """By epoch, by step, and by the time that training took."""
    views: dict[str, tuple[Callable[[Subject, str], tuple[Line, Line]], str]] = {
        "epoch": (_by_epoch, "epoch"),
        "step": (_by_step, "training step"),
        "time": (_by_time, "seconds of training, without the start-up"),
    }
    return {
        view: _figure([of(one, what) for one in subjects], subjects, axis, title, digits) for view, (of, axis) in views.items()
    }


def _by_epoch(subject: Subject, what: str) -> tuple[Line, Line]:
    rows = subject.rows_of("epoch")
    return _line(rows, "epoch", f"train_{what}"), _line(rows, "epoch", f"test_{what}")


def _by_step(subject: Subject, what: str) -> tuple[Line, Line]:
    return _line(subject.rows_of("step"), "step", what), _line(subject.rows_of("epoch"), "step", f"test_{what}")


def _by_time(subject: Subject, what: str) -> tuple[Line, Line]:
    rows = subject.rows_of("epoch")
    elapsed = itertools.accumulate(row["train_seconds"] or 0.0 for row in rows)
    timed = [{**row, "elapsed": seconds} for row, seconds in zip(rows, elapsed, strict=True)]
    return _line(timed, "elapsed", f"train_{what}"), _line(timed, "elapsed", f"test_{what}")


def _line(rows: list[Row], x: str, y: str) -> Line:
    kept = _thinned(rows, MOST_POINTS)
    return [row[x] for row in kept], [row[y] for row in kept]


def _thinned(rows: list[Row], most: int) -> list[Row]:
    """At most so many, at equal distances, the last one among them."""
    every = -(-len(rows) // most) or 1
    return rows[::-1][::every][::-1]


def _figure(lines: list[tuple[Line, Line]], subjects: Sequence[Subject], axis: str, title: str, digits: str) -> dict[str, Any]:
    """One view; of each run, the line of the training images and that of the test images."""
    traces = []
    for index, (subject, pair) in enumerate(zip(subjects, lines, strict=True)):
        for split, line in zip(("train", "test"), pair, strict=True):
            traces.append(_trace(index, f"{subject.name}, {split}", split, line, digits))
    layout = charts.layout(axis, title)
    layout["yaxis"] |= {"tickformat": ".0%"} if title == "accuracy" else {"rangemode": "tozero"}
    _mark_epochs(layout, axis, traces)
    return {"data": traces, "layout": layout | {"showlegend": False}}


def _trace(index: int, name: str, split: str, line: Line, digits: str) -> dict[str, Any]:
    """Test lines are whole and marked, training lines thin and dotted; the run decides on the colour."""
    color, width, test = charts.color(index), charts.width(index), split == "test"
    return {
        "type": "scatter",
        "x": line[0],
        "y": line[1],
        "name": charts.plain(name),
        "mode": "lines+markers" if len(line[0]) <= charts.MARKED else "lines",
        "line": {"color": color, "width": width if test else width / 2, "dash": "solid" if test else "dot"},
        "marker": {
            "color": color,
            "size": max(6, 12 - 2 * index) if test else 4,
            "symbol": charts.MARKERS[index % len(charts.MARKERS)],
        },
        "hovertemplate": f"%{{y:{digits}}}",
        "meta": {"run": index, "split": split},
    }


def _mark_epochs(layout: dict[str, Any], axis: str, traces: list[dict[str, Any]]) -> None:
    """Few epochs are marked one by one: Plotly would mark halves as well."""
    if axis == "epoch" and all(len(trace["x"]) <= FEW_EPOCHS for trace in traces):
        layout["xaxis"]["dtick"] = 1


def _machine(subjects: Sequence[Subject], key: str, title: str, digits: str) -> dict[str, Any]:
    traces = []
    for index, subject in enumerate(subjects):
        line = _line(subject.rows_of("epoch"), "epoch", key)
        traces.append(_trace(index, subject.name, "test", line, digits) | {"meta": {"run": index}})
    layout = charts.layout("epoch", title, height=320)
    layout["yaxis"]["rangemode"] = "tozero"
    _mark_epochs(layout, "epoch", traces)
    return {"data": traces, "layout": layout | {"showlegend": False}}
