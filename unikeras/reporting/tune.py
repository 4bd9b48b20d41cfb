"""The report of `unikeras tune`: the best trial and its command first, then what mattered, and every trial."""

from __future__ import annotations

from typing import Any

from unikeras.reporting import tune_charts
from unikeras.reporting.page import render_page
from unikeras.tune_result import TuneResult, counts
from unikeras.tune_words import figure, outcome, shown


def render(result: TuneResult) -> str:
    """Complete HTML of one offline file."""
    content = result.to_dict()
    drawn = {"history": tune_charts.history(content), "settings": tune_charts.settings(content)}
    assert result.best is not None
    context = {
        "result": content,
        "metric": result.metric.replace("_", " "),
        "value": figure(result.best.value, result.metric),
        "counts": counts(result.trials),
        "views": list(drawn["settings"]),
        "rows": _rows(result),
        "complete": len(tune_charts.complete(content)),
        "shown": shown,
    }
    return render_page("tune.html.j2", context, drawn, content)


def _rows(result: TuneResult) -> list[dict[str, Any]]:
    """The trials, the best first, those without a value last."""
    sign = -1 if result.direction == "maximize" else 1
    ordered = sorted(result.trials, key=lambda trial: (trial.value is None, sign * (trial.value or 0.0), trial.number))
    return [
        {
            "number": trial.number,
            "outcome": outcome(trial, result.metric),
            "settings": [shown(trial.settings[name]) if name in trial.settings else "" for name in result.searched],
            "run": trial.run,
        }
        for trial in ordered
    ]
