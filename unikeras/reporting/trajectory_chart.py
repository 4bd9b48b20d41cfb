"""The chart of a check's free training runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from unikeras.reporting import charts

DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
VISIBLE = 4.0  # times the envelope that a chart of deviations shows

Losses = Sequence[float | None]


def draw(row: dict[str, Any]) -> dict[str, Any]:
    """The free runs of one dtype in three views: distance from the float64 run, signed deviation from it, and losses."""
    views: dict[str, tuple[Callable[[Losses, Losses], Losses], str]] = {
        "distance": (_distance, "distance of the loss from the float64 run"),
        "deviation": (_deviation, "loss − loss of the float64 run"),
        "loss": (lambda losses, _: losses, "loss"),
    }
    return {view: _draw_view(row, view, title, of) for view, (of, title) in views.items()}


def _draw_view(row: dict[str, Any], view: str, title: str, of: Callable[[Losses, Losses], Losses]) -> dict[str, Any]:
    """One view; `of` makes its values from losses and those of the float64 run."""
    import plotly.graph_objects as go

    center, steps = row["center"], list(range(1, len(row["center"]) + 1))
    figure = go.Figure(layout={"template": None})
    low, high = of(row["low"], center), of(row["high"], center)
    backends = {backend: of(losses, center) for backend, losses in row["backends"].items()}
    _add_envelope(figure, view, steps, low, high)
    for index, twin in enumerate(row["twins"]):
        _add_twin(figure, steps, of(twin, center), index == 0)
    if view == "loss":
        line = {"color": "var(--muted)", "width": 1}
        figure.add_scatter(x=steps, y=center, mode="lines", name="float64 run", line=line, hovertemplate="%{y:.6g}")
    for index, (backend, values) in enumerate(backends.items()):
        _add_backend(figure, index, backend, steps, values)
    figure.update_layout(**charts.layout("training step", title))
    figure.update_layout(
        legend={"orientation": "h", "y": -0.22, "yanchor": "top", "x": 0},
        xaxis={"range": [0.5, len(steps) + 0.5], "zeroline": False},
    )
    _mark_horizon(figure, row["horizon"], len(steps))
    figure.update_yaxes(
        type="log" if view == "distance" else "linear", range=_range(high, backends.values()) if view == "deviation" else None
    )
    return charts.as_json(figure)


def _deviation(losses: Losses, center: Losses) -> list[float | None]:
    return [None if loss is None or exact is None else loss - exact for loss, exact in zip(losses, center, strict=False)]


def _distance(losses: Losses, center: Losses) -> list[float | None]:
    """Zero has no place on a scale of powers, and lines that touch it are interrupted there."""
    return [abs(value) if value else None for value in _deviation(losses, center)]


def _range(high: Losses, backends: Iterable[Losses]) -> list[float] | None:
    """A run that is far off must not press the envelope flat; zooming out shows the rest of it."""
    limit = VISIBLE * max((value or 0.0 for value in high), default=0.0)
    farthest = max((abs(value or 0.0) for values in backends for value in values), default=0.0)
    return [-limit, limit] if farthest > limit > 0 else None


def _add_envelope(figure: Any, view: str, steps: list[int], low: Losses, high: Losses) -> None:
    edge = {"color": "var(--envelope-edge)", "width": 1}
    shape = {"x": steps, "mode": "lines", "line": edge, "fillcolor": "var(--envelope)", "legendgroup": "envelope"}
    if view == "distance":
        figure.add_scatter(**shape, y=high, fill="tozeroy", name="envelope", hovertemplate="up to %{y:.2g}")
        return
    figure.add_scatter(**shape, y=low, showlegend=False, name="lowest", hovertemplate="%{y:.6g}")
    figure.add_scatter(**shape, y=high, fill="tonexty", name="envelope", hovertemplate="%{y:.6g}")


def _add_twin(figure: Any, steps: list[int], values: Losses, first: bool) -> None:
    """Thin and grey; the legend switches all of them together."""
    line = {"color": "var(--twin)", "width": 1}
    figure.add_scatter(
        x=steps, y=values, mode="lines", line=line, name="twins", legendgroup="twins", showlegend=first, hoverinfo="skip"
    )


def _add_backend(figure: Any, index: int, name: str, steps: list[int], values: Losses) -> None:
    """Own colour, width, dashes and marker."""
    color = charts.color(index)
    figure.add_scatter(
        x=steps,
        y=values,
        name=charts.plain(name),
        mode="lines+markers" if len(steps) <= charts.MARKED else "lines",
        line={"color": color, "width": charts.width(index), "dash": DASHES[index % len(DASHES)]},
        marker={"color": color, "size": max(6, 12 - 2 * index), "symbol": charts.MARKERS[index % len(charts.MARKERS)]},
        hovertemplate="%{y:.3g}",
    )


def _mark_horizon(figure: Any, horizon: int, steps: int) -> None:
    """The end of what is judged."""
    if horizon < steps:
        figure.add_vrect(x0=horizon + 0.5, x1=steps + 0.5, fillcolor="var(--beyond)", line_width=0, layer="below")
    line = {"color": "var(--muted)", "width": 2, "dash": "dot"}
    label = "horizon: the twins part" if horizon < steps else "all steps are judged"
    figure.add_vline(
        x=horizon + 0.5,
        line=line,
        annotation={"text": label, "xanchor": "right", "y": 0.0, "yanchor": "bottom", "showarrow": False},
    )
