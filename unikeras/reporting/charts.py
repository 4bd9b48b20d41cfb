"""What charts share. They are Plotly figures as JSON values; colours are names of the style sheet's, to follow light and dark."""

from __future__ import annotations

import json
from typing import Any

MARKERS = ("circle", "square", "diamond", "triangle-up", "x", "star")
WIDTHS = (6.0, 4.0, 2.5, 2.0)  # the first are thicker, so that they can be seen below others of the same values
MARKED = 60  # points up to which each has a marker
SERIES = 6  # colours in the style sheet


def color(index: int) -> str:
    """Of the run or backend with this number."""
    return f"var(--series-{index % SERIES + 1})"


def width(index: int) -> float:
    """Of its line."""
    return WIDTHS[min(index, len(WIDTHS) - 1)]


def plain(name: str) -> str:
    """Plotly reads a few HTML tags in names, links among them; a name is to stay what it is."""
    return name.replace("&", "&amp;").replace("<", "&lt;")


def layout(x_title: str, y_title: str, height: int = 420) -> dict[str, Any]:
    """Axes, colours and hovering."""
    axis = {"gridcolor": "var(--grid)", "zerolinecolor": "var(--grid)", "linecolor": "var(--grid)", "automargin": True}
    return {
        "paper_bgcolor": "var(--surface)",
        "plot_bgcolor": "var(--surface)",
        "font": {"color": "var(--text)", "family": "system-ui, sans-serif", "size": 13},
        "margin": {"l": 10, "r": 10, "t": 30, "b": 10},
        "height": height,
        "hovermode": "x unified",
        "hoverlabel": {
            "bgcolor": "var(--surface)",
            "bordercolor": "var(--grid)",
            "font": {"color": "var(--text)"},
            "namelength": 40,
        },
        "xaxis": {**axis, "title": {"text": x_title}},
        "yaxis": {**axis, "title": {"text": y_title}, "exponentformat": "power"},
    }


def as_json(figure: Any) -> dict[str, Any]:
    """A Plotly figure as JSON values."""
    drawn: dict[str, Any] = json.loads(figure.to_json())
    return drawn
