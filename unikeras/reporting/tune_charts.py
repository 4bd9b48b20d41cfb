"""Charts of a search: Plotly figures as JSON values, in the colours of the style sheet."""

from __future__ import annotations

import math
from typing import Any

from unikeras.reporting import charts

Trial = dict[str, Any]  # a `tune_result.Trial`
STAR = {"color": "var(--series-2)", "size": 15, "symbol": "star"}
TOGETHER = "all together"
SPREAD = 10.0  # greatest by least loss, from which on they are drawn on a scale of powers


def history(result: dict[str, Any]) -> dict[str, Any]:
    """The metric of each trial in the order of their start, and on the way, epoch by epoch."""
    return {"trials": _by_trial(result), "epochs": _by_epoch(result)}


def settings(result: dict[str, Any]) -> dict[str, Any]:
    """The metric by each searched setting, and by all of them together where there are several."""
    views = {name: _by_setting(result, name) for name in result["searched"]}
    return {**views, TOGETHER: _together(result)} if len(views) > 1 else views


def complete(result: dict[str, Any]) -> list[Trial]:
    """The trials that have come to their end."""
    return [trial for trial in result["trials"] if trial["value"] is not None]


def _by_trial(result: dict[str, Any]) -> dict[str, Any]:
    figure, done = _figure(result, "trial"), complete(result)
    pruned = [trial for trial in result["trials"] if trial["state"] == "pruned" and trial["curve"]]
    _add_points(figure, "complete", [(t["number"], t["value"], _words(t)) for t in done], {"color": "var(--series-1)", "size": 9})
    points = [(t["number"], t["curve"][-1][1], _words(t)) for t in pruned]
    _add_points(figure, "pruned, at its last epoch", points, {"color": "var(--muted)", "size": 8, "symbol": "x"})
    better = max if result["direction"] == "maximize" else min
    best = [better(trial["value"] for trial in done[: index + 1]) for index in range(len(done))]
    line = {"color": "var(--series-2)", "width": 2, "shape": "hv"}
    figure.add_scatter(x=[t["number"] for t in done], y=best, mode="lines", line=line, name="best so far", hoverinfo="skip")
    return charts.as_json(figure)


def _by_epoch(result: dict[str, Any]) -> dict[str, Any]:
    """The best trial's line lies above the others."""
    figure, best = _figure(result, "epoch"), result["best"]["number"]
    for trial in sorted((t for t in result["trials"] if t["curve"]), key=lambda t: t["number"] == best):
        is_best = trial["number"] == best
        line = {"color": "var(--series-2)" if is_best else "var(--twin)", "width": 3 if is_best else 1.5}
        figure.add_scatter(
            x=[epoch for epoch, _ in trial["curve"]],
            y=[value for _, value in trial["curve"]],
            mode="lines+markers",
            line={**line, "dash": "dot" if trial["state"] == "pruned" else "solid"},
            marker={"size": 8 if is_best else 5},
            name=f"trial {trial['number']}, the best" if is_best else f"trial {trial['number']}, {trial['state']}",
            showlegend=is_best,
            text=[_words(trial)] * len(trial["curve"]),
            hovertemplate="%{text}<br>%{y:.4g}<extra></extra>",
        )
    last = max(epoch for trial in result["trials"] for epoch, _ in trial["curve"])
    figure.update_xaxes(tick0=1, dtick=max(1, last // 10))
    return charts.as_json(figure)


def _by_setting(result: dict[str, Any], name: str) -> dict[str, Any]:
    figure, searched = _figure(result, name), result["searched"][name]
    is_range = _is_range(searched)
    points = [(_place(t["settings"][name], is_range), t["value"], _words(t)) for t in complete(result)]
    _add_points(figure, "complete", points, {"color": "var(--series-1)", "size": 9})
    best = result["best"]
    _add_points(figure, "best", [(_place(best["settings"][name], is_range), best["value"], _words(best))], STAR)
    if is_range:
        figure.update_xaxes(type="log" if searched.endswith(":log") else "linear")
    else:
        figure.update_xaxes(type="category", categoryorder="array", categoryarray=searched.split(","))
    return charts.as_json(figure)


def _together(result: dict[str, Any]) -> dict[str, Any]:
    """A line for each trial, through its settings to its metric, each on a scale of its own.

    Plotly's own chart of this kind makes code while it runs, which the page's policy forbids.
    """
    figure, done, best = _figure(result, ""), complete(result), result["best"]["number"]
    axes = [_axis_of_setting(name, searched, done) for name, searched in result["searched"].items()]
    axes.append(_scale([trial["value"] for trial in done], is_log=_scale_type(result) == "log"))
    names = [*result["searched"], _title(result)]
    for index, trial in sorted(enumerate(done), key=lambda pair: bool(pair[1]["number"] == best)):
        is_best = trial["number"] == best
        figure.add_scatter(
            x=list(range(len(axes))),
            y=[places[index] for places, _ in axes],
            mode="lines+markers",
            line={"color": "var(--series-2)" if is_best else "var(--twin)", "width": 3 if is_best else 1.5},
            name=f"trial {trial['number']}, the best",
            showlegend=is_best,
            text=[f"{_words(trial)}<br>{trial['value']:.4g}"] * len(axes),
            hovertemplate="%{text}<extra></extra>",
        )
    for place, (_, ticks) in enumerate(axes):
        figure.add_vline(x=place, line={"color": "var(--grid)", "width": 1}, layer="below")
        for height, text in ticks:
            figure.add_annotation(x=place, y=height, text=text, showarrow=False, xanchor="right", xshift=-6, font={"size": 11})
    figure.update_xaxes(tickvals=list(range(len(axes))), ticktext=names, range=[-0.5, len(axes) - 0.6], showgrid=False)
    figure.update_yaxes(visible=False, type="linear", range=[-0.06, 1.06])
    return charts.as_json(figure)


Axis = tuple[list[float], list[tuple[float, str]]]  # where each trial stands on it, from 0 to 1, and its ticks


def _axis_of_setting(name: str, searched: str, done: list[Trial]) -> Axis:
    values = [trial["settings"][name] for trial in done]
    if _is_range(searched):
        return _scale(values, is_log=searched.endswith(":log"))
    names = searched.split(",")
    heights = {text: index / (len(names) - 1) for index, text in enumerate(names)}
    return [heights[_place(value, False)] for value in values], [(height, _plain(text)) for text, height in heights.items()]


def _scale(values: list[float], is_log: bool = False) -> Axis:
    """From the least value to the greatest, which are its ticks."""
    drawn = [math.log10(value) for value in values] if is_log else values
    low, high = min(drawn), max(drawn)
    places = [(value - low) / (high - low) if high > low else 0.5 for value in drawn]
    ends = {0.0: min(values), 1.0: max(values)} if high > low else {0.5: values[0]}
    return places, [(height, f"{value:.3g}") for height, value in ends.items()]


def _is_range(searched: str) -> bool:
    return ":" in searched


def _place(value: Any, is_range: bool) -> Any:
    """Where a value stands on its axis."""
    return value if is_range else "none" if value is None else str(value)


def _words(trial: Trial) -> str:
    """What a point is about. Plotly reads a few HTML tags, and a value may be the name of a user's file."""
    values = "<br>".join(f"{name} {_plain(value)}" for name, value in trial["settings"].items())
    return f"trial {trial['number']}<br>{values}"


def _plain(value: Any) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else str(_place(value, False))
    return text.replace("&", "&amp;").replace("<", "&lt;")


def _title(result: dict[str, Any]) -> str:
    return str(result["metric"]).replace("_", " ")


def _add_points(figure: Any, name: str, points: list[tuple[Any, float, str]], marker: dict[str, Any]) -> None:
    if points:
        x, y, text = zip(*points, strict=True)
        template = "%{text}<br>%{y:.4g}<extra></extra>"
        figure.add_scatter(
            x=list(x), y=list(y), text=list(text), mode="markers", name=name, marker=marker, hovertemplate=template
        )


def _scale_type(result: dict[str, Any]) -> str:
    """A loss of a hopeless trial must not press the others flat."""
    values = [value for trial in result["trials"] for _, value in trial["curve"]]
    return "log" if result["metric"] == "test_loss" and min(values) > 0 and max(values) > SPREAD * min(values) else "linear"


def _figure(result: dict[str, Any], x_title: str) -> Any:
    import plotly.graph_objects as go

    axis = {"gridcolor": "var(--grid)", "zeroline": False, "linecolor": "var(--grid)", "automargin": True}
    layout = {
        "template": None,
        "paper_bgcolor": "var(--surface)",
        "plot_bgcolor": "var(--surface)",
        "font": {"color": "var(--text)", "family": "system-ui, sans-serif", "size": 13},
        "margin": {"l": 10, "r": 10, "t": 30, "b": 10},
        "height": 420,
        "hovermode": "closest",
        "hoverlabel": {"bgcolor": "var(--surface)", "bordercolor": "var(--grid)", "font": {"color": "var(--text)"}},
        "legend": {"orientation": "h", "y": -0.22, "yanchor": "top", "x": 0},
        "xaxis": {**axis, "title": {"text": x_title}, "exponentformat": "power"},
        "yaxis": {**axis, "title": {"text": _title(result)}, "type": _scale_type(result)},
    }
    return go.Figure(layout=layout)
