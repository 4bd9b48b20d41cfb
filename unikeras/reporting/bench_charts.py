"""Charts of a benchmark, one for each batch size: ratios beside the noise, and speeds round by round. Plotly figures as JSON."""

from __future__ import annotations

from typing import Any

from unikeras.bench_statistics import Ratio, band
from unikeras.reporting import charts

COLORS = {"faster": "var(--good)", "slower": "var(--bad)", "no difference": "var(--muted)"}
SYMBOLS = {"faster": "triangle-right", "slower": "triangle-left", "no difference": "circle"}
ROW_HEIGHT = 34  # pixels of a comparison


def ratios(result: dict[str, Any]) -> dict[str, Any]:
    """How many times as fast, with the 95% interval; the band is what counts as equal."""
    return {view(race): _ratios_of(race) for race in result["races"] if race["ratios"]}


def rounds(result: dict[str, Any]) -> dict[str, Any]:
    """Images a second of each contestant in each round: a machine that slows down, or is disturbed, shows."""
    return {view(race): _rounds_of(race) for race in result["races"] if _has_rounds(race)}


def _has_rounds(race: dict[str, Any]) -> bool:
    return bool(race["contestants"]) and all(row.get("rounds") for row in race["contestants"])


def band_of(race: dict[str, Any]) -> tuple[float, float]:
    """The ratios that count as equal, from what parts the first backend from itself."""
    noise = race["noise"]
    return band(Ratio(1.0, noise["low"], noise["high"]))


def view(race: dict[str, Any]) -> str:
    """What the choice calls it."""
    return f"batch size {race['batch_size']}"


def _ratios_of(race: dict[str, Any]) -> dict[str, Any]:
    import plotly.graph_objects as go

    figure = go.Figure(layout={"template": None})
    low, high = band_of(race)
    figure.add_vrect(x0=low, x1=high, fillcolor="var(--beyond)", line_width=0, layer="below")
    figure.add_vline(x=1.0, line={"color": "var(--muted)", "width": 1, "dash": "dot"})
    for verdict, color in COLORS.items():
        rows = [row for row in race["ratios"] if row["verdict"] == verdict]
        if not rows:
            continue
        figure.add_scatter(
            x=[row["median"] for row in rows],
            y=[_pair(row) for row in rows],
            error_x={
                "type": "data",
                "array": [row["high"] - row["median"] for row in rows],
                "arrayminus": [row["median"] - row["low"] for row in rows],
                "color": color,
                "thickness": 2,
            },
            mode="markers",
            name=verdict,
            marker={"color": color, "size": 11, "symbol": SYMBOLS[verdict]},
            text=[f"{row['median']:.2f} ({row['low']:.2f} to {row['high']:.2f})" for row in rows],
            hovertemplate="%{text}<extra></extra>",
        )
    figure.update_layout(**charts.layout("times as fast", "", height=150 + ROW_HEIGHT * len(race["ratios"])))
    figure.update_layout(hovermode="closest", legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0})
    order = [_pair(row) for row in race["ratios"]]
    figure.update_yaxes(categoryorder="array", categoryarray=order[::-1], showgrid=False)
    return charts.as_json(figure)


def _pair(row: dict[str, Any]) -> str:
    return f"{charts.plain(row['contestant'])}<br><i>{charts.plain(row['rival'])}</i>"


def _rounds_of(race: dict[str, Any]) -> dict[str, Any]:
    import plotly.graph_objects as go

    figure = go.Figure(layout={"template": None})
    for index, row in enumerate(race["contestants"]):
        figure.add_scatter(
            x=list(range(1, len(row["rounds"]) + 1)),
            y=[1 / seconds for seconds in row["rounds"]],
            mode="lines+markers",
            name=charts.plain(row["name"]),
            line={"color": charts.color(index), "width": 2, "dash": "solid" if index < charts.SERIES else "dash"},
            marker={"symbol": charts.MARKERS[index % len(charts.MARKERS)], "size": 7},
            hovertemplate="%{y:,.0f}",
        )
    figure.update_layout(**charts.layout("round", "images/s"))
    figure.update_layout(legend={"orientation": "h", "y": -0.22, "yanchor": "top", "x": 0})
    figure.update_yaxes(rangemode="tozero", exponentformat="SI")
    return charts.as_json(figure)
