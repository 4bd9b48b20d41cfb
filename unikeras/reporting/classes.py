"""Per class: the confusion matrix, precision and recall, and which classes are taken for which."""

from __future__ import annotations

import dataclasses
import math
from bisect import bisect_left
from typing import TYPE_CHECKING, Any

import numpy as np

from unikeras.reporting import words

if TYPE_CHECKING:
    from unikeras.predictions import Predictions

MOST_CLASSES = 40  # in a matrix that a person can still read
CONFUSIONS = 10  # listed
RIGHT, WRONG = (0.5, 0.8, 0.95), (0.05, 0.2)  # limits between the colours: shares of a class' images


@dataclasses.dataclass(frozen=True)
class Cell:
    """A square of the matrix: `level` is its colour as in the heat map of a check; `details` is what hovering shows."""

    count: int
    level: int
    details: str


@dataclasses.dataclass(frozen=True)
class ClassRow:
    """One class. A figure is None where it would be 0/0: the class has no test images, or is never predicted."""

    name: str
    count: int
    right: int
    precision: float | None
    recall: float | None
    f1: float | None


@dataclasses.dataclass(frozen=True)
class Classes:
    """Attributes:
    names: Of the classes.
    matrix: A row for each true class, with a cell for each predicted one; [] where there are too many to be read.
    rows: A row for each class.
    confusions: (true class, predicted class, images, share of the true class), the most frequent first.
    counts: The whole matrix as numbers.
    """

    names: list[str]
    matrix: list[list[Cell]]
    rows: list[ClassRow]
    confusions: list[tuple[str, str, int, float]]
    counts: list[list[int]]


def describe(predictions: Predictions, names: list[str]) -> Classes:
    """All figures per class."""
    from sklearn import metrics

    labels = np.arange(len(names))
    counts = metrics.confusion_matrix(predictions.labels, predictions.predicted, labels=labels)
    figures = metrics.precision_recall_fscore_support(
        predictions.labels, predictions.predicted, labels=labels, zero_division=np.nan
    )
    rows = [
        ClassRow(name, int(support), int(counts[label, label]), _number(precision), _number(recall), _number(f1))
        for label, name, precision, recall, f1, support in zip(labels, names, *figures, strict=True)
    ]
    matrix = [_cells(label, counts[label], names) for label in range(len(names))] if len(names) <= MOST_CLASSES else []
    return Classes(names, matrix, rows, _confusions(counts, names), counts.tolist())


def _cells(label: int, counts: Any, names: list[str]) -> list[Cell]:
    total = max(int(counts.sum()), 1)
    return [_cell(label, other, int(count), total, names) for other, count in enumerate(counts)]


def _cell(label: int, other: int, count: int, total: int, names: list[str]) -> Cell:
    share = count / total
    level = 1 + bisect_left(RIGHT, share) if label == other else 5 + bisect_left(WRONG, share)
    what = "recognised" if label == other else f"taken for {names[other]}"
    return Cell(count, level, f"{names[label]} {what}:\n{words.count(count)} of {words.count(total, 'image')}, {share:.1%}")


def _confusions(counts: Any, names: list[str]) -> list[tuple[str, str, int, float]]:
    wrong = counts * ~np.eye(len(names), dtype=bool)
    order = np.argsort(-wrong, axis=None, kind="stable")[:CONFUSIONS]
    places = [divmod(int(place), len(names)) for place in order]
    totals = counts.sum(axis=1)
    return [(names[i], names[j], int(wrong[i, j]), float(wrong[i, j] / totals[i])) for i, j in places if wrong[i, j]]


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
