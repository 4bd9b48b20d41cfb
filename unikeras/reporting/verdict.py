"""The verdict in plain words, from the result of a check."""

from __future__ import annotations

from typing import Any

from unikeras.checking.figures import SUSPICIOUS
from unikeras.reporting import words
from unikeras.reporting.grouping import by_bound


def describe(result: dict[str, Any], divergences: list[dict[str, Any]], backends: list[str]) -> dict[str, Any]:
    """State ("agree", "disagree" or "defect"), headline, sentences, what it looks like, figures, and a line for each backend."""
    if divergences:
        told = _divergence(divergences[0])
    elif result["agree"]:
        told = _agreement(backends)
    else:
        told = _gone([defect for defect in result["defects"] if not defect["holds"]])
    return {"looks_like": None, "facts": [], **told, "outcomes": [_outcome(result, backend) for backend in backends]}


def _agreement(backends: list[str]) -> dict[str, Any]:
    alone = len(backends) == 1
    return {
        "state": "agree",
        "headline": f"{backends[0]} agrees with the reference" if alone else f"All {len(backends)} backends agree",
        "sentences": ["Every result is that of the float64 reference, as closely as the backend's arithmetic allows."],
    }


def _divergence(first: dict[str, Any]) -> dict[str, Any]:
    place = first["layer"] or first["name"]
    kind, meaning = words.KINDS.get(first["kind"], (str(first["kind"]), ""))
    if first["kind"] == "mistake" and not first["problem"] and first["dtype"] != "float64" and first["exact"] is not None:
        meaning += "; the difference is there in float64, too"
    elif first["problem"]:
        meaning = f"{meaning}: {first['problem']}" if first["kind"] == "mistake" else first["problem"]
    return {
        "state": "disagree",
        "headline": f"{first['backend']} parts from the reference at {place} ({words.stage_title(first['stage'])})",
        "looks_like": first["looks_like"],
        "sentences": [f"{kind}: {meaning}."],
        "facts": _facts(first),
    }


def _facts(first: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Name, value and explanation of the figures behind the verdict."""
    facts = [("Where", f"{first['name']} ({first['case']})", f"{words.stage_title(first['stage'])}, {first['dtype']}")]
    if first["problem"]:
        return [*facts, ("What", first["problem"], "so no error can be given")]
    facts += [
        ("Error", words.number(first["error"]), "distance from the reference, relative to the reference's scale"),
        ("Agrees up to", words.number(first["bound"]), f"so it is {words.times(by_bound(first['error'], first['bound']))}"),
    ]
    if first["exact"] is not None and first["dtype"] != "float64":
        exact_bound = SUSPICIOUS * (first.get("exact_floor") or 0.0)
        meaning = f"rounding would make it {words.number(exact_bound)} at most; a mistake stays as it is"
        facts.append(("Error in float64", words.number(first["exact"]), meaning))
    facts.append(("The others' error", words.number(first["noise"], "none to compare"), "at the same place"))
    return facts


def _gone(defects: list[dict[str, Any]]) -> dict[str, Any]:
    """Nothing parts, and still the check did not pass: known defects are gone."""
    told = [
        f"{one['layer']} on {one['backend']}, {one['dtype']}: {one['what']} (error now: {words.number(one['measured'])})."
        for one in defects
    ]
    cure = "Remove it from unikeras/checking/known_defects.py: nobody has to be warned of it any more."
    return {
        "state": "defect",
        "headline": "The backends agree, but a known defect no longer holds",
        "sentences": [*told, cure],
    }


def _outcome(result: dict[str, Any], backend: str) -> dict[str, Any]:
    """One backend's part: how many comparisons, and in which stages it disagrees."""
    rows = [row for row in result["table"] if row["backend"] == backend]
    wrong = list(dict.fromkeys(words.stage_title(row["stage"]) for row in rows if row["verdict"] == "disagree"))
    compared, disagree = sum(row["compared"] for row in rows), sum(row["disagree"] for row in rows)
    text = f"{compared:,} comparisons agree"
    if wrong:
        text = f"{disagree:,} of {compared:,} comparisons disagree: {words.enumeration(wrong)}"
    elif not compared:
        text = "nothing was compared"
    return {"backend": backend, "agrees": bool(compared) and not wrong, "text": text}
