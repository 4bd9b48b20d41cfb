"""Bars of a benchmark, for each batch size: speed with its spread, the parts of the start, memory. Plotly figures as JSON."""

from __future__ import annotations

from typing import Any

from unikeras.reporting import charts, words
from unikeras.reporting.bench_charts import view

Row = dict[str, Any]
PARTS = {"import": "import_seconds", "build": "build_seconds", "first step": "first_step_seconds"}
PART_COLORS = ("var(--series-1)", "var(--series-2)", "var(--series-5)")
BAR_HEIGHT = 34  # pixels of a contestant
LEGEND_DISTANCE = 58  # pixels below the bars, with the axis in between


def speeds(result: dict[str, Any]) -> dict[str, Any]:
    """The median of images a second, and how far the rounds reach to both sides, where they are known."""
    return {view(race): _speeds_of(race["contestants"]) for race in result["races"] if race["contestants"]}


def start(result: dict[str, Any]) -> dict[str, Any]:
    """Seconds from the launch of a process to the end of its first step; results of older versions lack some."""
    keys = set(PARTS.values())
    return {view(race): _start_of(race["contestants"]) for race in result["races"] if _have(race, keys)}


def memory(result: dict[str, Any]) -> dict[str, Any]:
    """The largest private memory of each process."""
    return {view(race): _memory_of(race["contestants"]) for race in result["races"] if _have(race, {"peak_memory_mb"})}


def _have(race: dict[str, Any], keys: set[str]) -> bool:
    rows = race["contestants"]
    return bool(rows) and all(row.get(key) is not None for row in rows for key in keys)


def _speeds_of(rows: list[Row]) -> dict[str, Any]:
    figure, values = _figure(), [row["images_per_second"] for row in rows]
    # One list of rounds for each; where there are none, the bar's end is all there is.
    reached = [[1 / seconds for seconds in row.get("rounds") or ()] or [value] for row, value in zip(rows, values, strict=True)]
    figure.add_bar(
        **_place(rows),
        x=values,
        marker={"color": "var(--series-1)"},
        error_x={
            "type": "data",
            "array": [max(0.0, max(own) - value) for own, value in zip(reached, values, strict=True)],
            "arrayminus": [max(0.0, value - min(own)) for own, value in zip(reached, values, strict=True)],
            "color": "var(--text)",
            "thickness": 1.5,
        },
        text=[f"{value:,.0f} ({min(own):,.0f} to {max(own):,.0f})" for own, value in zip(reached, values, strict=True)],
        textposition="none",
        hovertemplate="%{text}<extra></extra>",
    )
    return _finished(figure, rows, "images/s")


def _start_of(rows: list[Row]) -> dict[str, Any]:
    figure = _figure()
    for (part, key), color in zip(PARTS.items(), PART_COLORS, strict=True):
        figure.add_bar(
            **_place(rows),
            x=[row[key] for row in rows],
            name=part,
            marker={"color": color},
            text=[f"{part}: {words.duration(row[key])}" for row in rows],
            textposition="none",
            hovertemplate="%{text}<extra></extra>",
        )
    figure.update_layout(barmode="stack", legend_traceorder="normal")
    return _finished(figure, rows, "seconds")


def _memory_of(rows: list[Row]) -> dict[str, Any]:
    figure = _figure()
    figure.add_bar(
        **_place(rows),
        x=[row["peak_memory_mb"] for row in rows],
        marker={"color": "var(--series-1)"},
        hovertemplate="%{x:,.0f} MB<extra></extra>",
    )
    return _finished(figure, rows, "MB")


def _figure() -> Any:
    import plotly.graph_objects as go

    return go.Figure(layout={"template": None})


def _place(rows: list[Row]) -> dict[str, Any]:
    return {"y": [charts.plain(row["name"]) for row in rows], "orientation": "h"}


def _finished(figure: Any, rows: list[Row], title: str) -> dict[str, Any]:
    """The first contestant at the top."""
    figure.update_layout(**charts.layout(title, "", height=90 + BAR_HEIGHT * len(rows)))
    # Below the axis: above the bars, long names push it under the buttons of a chart that is half as wide.
    legend = {"orientation": "h", "x": 0, "y": -LEGEND_DISTANCE / (BAR_HEIGHT * len(rows)), "yanchor": "top"}
    figure.update_layout(hovermode="closest", bargap=0.35, legend=legend)
    figure.update_xaxes(rangemode="tozero")
    figure.update_yaxes(autorange="reversed", showgrid=False, type="category")
    return charts.as_json(figure)
