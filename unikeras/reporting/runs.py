"""The report of one run or several side by side."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

from unikeras.reporting import bench, check, classes, curves, examples, headline, words
from unikeras.reporting.page import render_page
from unikeras.reporting.subject import LEFT_OUT, Subject
from unikeras.settings import FIELDS, as_option

MACHINE = ("device", "cpu", "cores", "python", "git_commit")
HASHES = ("data_hash", "model_hash", "initial_weights")

OF_ONE_RUN = ("format", "backend", "inputs", "history", *HASHES)


def render(subjects: Sequence[Subject], check_result: dict[str, Any] | None, bench_result: dict[str, Any] | None) -> str:
    """Complete HTML of one offline file.

    Args:
        subjects: At least one.
        check_result: Of `unikeras check --json`, if there is one.
        bench_result: Of `unikeras bench --json`, if there is one.
    """
    known = {subject.name: subject for subject in subjects if subject.predictions is not None}
    context = {
        "subjects": subjects,
        "verdict": headline.describe(subjects),
        "captions": curves.captions(subjects),
        "steps": curves.steps,
        "classes": {name: classes.describe(one.predictions, one.class_names) for name, one in known.items() if one.predictions},
        "mistakes": {name: examples.mistakes(subject) for name, subject in known.items()},
        "why_no_pictures": examples.why_no_pictures,
        "samples": examples.samples(subjects),
        "differences": differences(subjects),
        "environments": _environments(subjects),
        "commands": {subject.name: command(subject) for subject in subjects},
        "check": check.summary(check_result) if check_result else None,
        "bench": bench.summary(bench_result) if bench_result else None,
        "words": words,
    }
    drawn = curves.draw(subjects) if any(subject.rows for subject in subjects) else {}
    return render_page("runs.html.j2", context, drawn, [_saved(subject, context) for subject in subjects])


def differences(subjects: Sequence[Subject]) -> list[tuple[str, list[str]]]:
    """Settings, hashes and versions in which runs differ, with the value of each run."""
    columns = [_circumstances(subject) for subject in subjects]
    names = dict.fromkeys(name for column in columns for name in column)
    rows = [(name, [_exact(column.get(name)) for column in columns]) for name in names]
    return [(name, values) for name, values in rows if len(set(values)) > 1]


def _exact(value: Any) -> str:
    """As `words.fact`, but with all digits: what differs must not look equal."""
    return repr(value) if isinstance(value, float) else words.fact(value)


def command(subject: Subject) -> str:
    """Trains the same again: all settings that are not the defaults."""
    options = ["unikeras", "train"]
    for name, value in subject.run.settings.to_dict().items():
        if name not in LEFT_OUT and (name in ("backend", "model", "dataset") or value != FIELDS[name].default):
            options += [as_option(name), str(value)]
    return shlex.join(options)


def _circumstances(subject: Subject) -> dict[str, Any]:
    known = subject.provenance
    versions = {f"{name} version": version for name, version in known.get("versions", {}).items()}
    machine: dict[str, Any] = {name: known[name] for name in MACHINE if name in known}
    hashes = {name: str(known[name])[:12] for name in HASHES if name in known}
    return {**subject.settings, **hashes, **versions, **machine}


def _environments(subjects: Sequence[Subject]) -> list[tuple[list[str], dict[str, Any]]]:
    """run.json without what belongs to one run only; runs of the same environment are shown together."""
    groups: list[tuple[list[str], dict[str, Any]]] = []
    for subject in subjects:
        known = {key: value for key, value in subject.provenance.items() if key not in OF_ONE_RUN}
        own = {**known.pop("versions", {}), **known}
        same = next((names for names, facts in groups if facts == own), None)
        if same is None:
            groups.append(([subject.name], own))
        else:
            same.append(subject.name)
    return groups


def _saved(subject: Subject, context: dict[str, Any]) -> dict[str, Any]:
    """What the button for saving hands out of a run."""
    found = context["classes"].get(subject.name)
    return {
        "name": subject.name,
        "state": subject.state,
        "settings": subject.settings,
        "result": subject.result,
        "provenance": subject.provenance,
        "epochs": subject.rows_of("epoch"),
        "steps": subject.rows_of("step"),
        "confusion_matrix": found and found.counts,
        "class_names": found and found.names,
    }
