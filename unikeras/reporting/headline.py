"""The verdict on runs in plain words, and the key figures of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from unikeras import significance
from unikeras.reporting import words
from unikeras.reporting.subject import Subject, finite

CONFIDENCE = 0.95
UNFINISHED = {
    "running": "is still running",
    "resumable": "did not finish: `unikeras resume` goes on with it",
    "crashed": "ended before its first checkpoint",
}


def describe(subjects: Sequence[Subject]) -> dict[str, Any]:
    """State ("finished" or "unfinished"), headline, sentences, and a card for each run."""
    finished = [subject for subject in subjects if subject.result is not None]
    unfinished = [subject for subject in subjects if subject.result is None]
    headline = _unfinished(subjects[0]) if not finished else _alone(finished[0]) if len(finished) == 1 else _several(finished)
    told = _compared(finished) + [f"{_unfinished(subject)}." for subject in unfinished if finished]
    return {
        "state": "unfinished" if unfinished else "finished",
        "headline": headline,
        "sentences": told,
        "cards": [_card(subject) for subject in subjects],
    }


def _accuracy(subject: Subject) -> float:
    assert subject.result is not None
    accuracy: float = subject.result["test_accuracy"]
    return accuracy


def _alone(subject: Subject) -> str:
    return f"{subject.name}: {_accuracy(subject):.2%} of the test images are recognised"


def _several(finished: Sequence[Subject]) -> str:
    if len({subject.provenance["data_hash"] for subject in finished}) > 1:
        return f"{len(finished)} runs on different data"
    best, *others = sorted(finished, key=_accuracy, reverse=True)
    if _accuracy(best) == _accuracy(others[-1]):
        all_of_them = "Both runs" if len(finished) == 2 else f"All {len(finished)} runs"
        return f"{all_of_them} recognise {_accuracy(best):.2%} of the test images"
    tied = [one.name for one in others if _accuracy(one) == _accuracy(best)]
    names = words.enumeration([best.name, *tied])
    worst = f"{others[-1].name} {_accuracy(others[-1]):.2%}"
    return f"{names} recognise{'' if tied else 's'} {_accuracy(best):.2%} of the test images, {worst}"


def _unfinished(subject: Subject) -> str:
    done = len(subject.rows_of("epoch"))
    return f"{subject.name} {UNFINISHED[subject.state]} ({done} of {words.count(subject.run.settings.epochs, 'epoch')} done)"


def _compared(finished: Sequence[Subject]) -> list[str]:
    """Whether the best run is better than each other one by more than chance, image by image."""
    known = [subject for subject in finished if subject.predictions is not None]
    if len(known) < 2 or len({subject.provenance["data_hash"] for subject in finished}) > 1:
        return []
    best, *others = sorted(known, key=_accuracy, reverse=True)
    counts = [_discordant(best, other) for other in others]
    corrected = significance.holm([significance.mcnemar(*pair) for pair in counts])
    return [_pair(best, other, *pair, p) for other, pair, p in zip(others, counts, corrected, strict=True)]


def _discordant(best: Subject, other: Subject) -> tuple[int, int]:
    """Test images that only the one, and only the other classifies rightly."""
    assert best.predictions is not None
    assert other.predictions is not None
    first, second = best.predictions.correct, other.predictions.correct
    return int(np.sum(first & ~second)), int(np.sum(second & ~first))


def _pair(best: Subject, other: Subject, only_first: int, only_second: int, p: float) -> str:
    """Of the images that only one of two gets right, does one get more than its half by chance?"""
    assert best.predictions is not None
    assert other.predictions is not None
    differ = int(np.sum(best.predictions.predicted != other.predictions.predicted))
    if not only_first + only_second:
        same = (
            "the same answer for every test image"
            if not differ
            else f"other answers for {words.count(differ, 'image')}, all wrong"
        )
        return f"{best.name} and {other.name} give {same}."
    meaning = "more than chance explains" if p < significance.LEVEL else "no more than chance explains"
    alone = f"{best.name} alone is right for {words.count(only_first, 'test image')}, {other.name} alone for {only_second:,}"
    return f"{alone}: {meaning} (McNemar's exact test, p = {words.number(p)})."


def _card(subject: Subject) -> dict[str, Any]:
    return {
        "name": subject.name,
        "state": subject.state,
        "backend": subject.run.settings.backend,
        "accuracy": None if subject.result is None else f"{_accuracy(subject):.2%}",
        "interval": _interval(subject),
        "facts": _facts(subject),
    }


def _interval(subject: Subject) -> tuple[float, float] | None:
    """Of the accuracy, by Wilson's formula: what another draw of as many test images could have given."""
    from scipy import stats

    if subject.predictions is None:
        return None
    correct = subject.predictions.correct
    found = stats.binomtest(int(correct.sum()), len(correct)).proportion_ci(CONFIDENCE, method="wilson")
    return float(found.low), float(found.high)


def _facts(subject: Subject) -> list[tuple[str, str]]:
    epochs = subject.rows_of("epoch")
    if subject.result is None and not epochs:
        return []
    last = subject.result or {**epochs[-1], "epochs": epochs[-1]["epoch"], "steps": epochs[-1]["step"]}
    facts = [("test loss", _shown(last["test_loss"], words.loss))]
    if subject.result is None:
        facts.insert(0, ("test accuracy", _shown(last["test_accuracy"], "{:.2%}".format)))
    facts += [
        ("training loss", _shown(last["train_loss"], words.loss)),
        ("trained", f"{words.count(last['epochs'], 'epoch')}, {words.count(last['steps'], 'step')}"),
        ("speed", _shown(last["images_per_second"], "{:,.0f} images/s".format)),
        ("training", words.duration(sum(row["train_seconds"] or 0 for row in epochs) if epochs else last["train_seconds"])),
    ]
    if epochs:
        facts.insert(-3, ("training accuracy", _shown(epochs[-1]["train_accuracy"], "{:.2%}".format)))
    if subject.result is not None:
        facts += [("start-up", words.duration(last["startup_seconds"])), ("largest memory", f"{last['peak_memory_mb']:,.0f} MB")]
    return facts


def _shown(value: float | None, how: Any) -> str:
    return "not finite" if finite(value) is None else str(how(value))
