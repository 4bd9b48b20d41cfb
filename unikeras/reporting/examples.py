"""Test images that a report shows: the most confident mistakes of each run, and a sample of all with what the runs say."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from unikeras.reporting.pictures import Picture, are_pictures, picture
from unikeras.reporting.subject import Subject

MISTAKES = 24
SAMPLES = 24


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a run says of an image."""

    run: str
    predicted: str
    confidence: float
    right: bool


@dataclasses.dataclass(frozen=True)
class Example:
    """A test image; `picture` is None where the data are no pictures or are gone."""

    index: int
    label: str
    picture: Picture | None
    answers: list[Answer]

    @property
    def text(self) -> str:
        """The picture in words."""
        return f"Test image {self.index}, class {self.label}"


@dataclasses.dataclass(frozen=True)
class Group:
    """Runs that were tested with the same images, with a sample of these."""

    runs: list[str]
    data: str
    examples: list[Example]
    note: str


def mistakes(subject: Subject) -> list[Example]:
    """Wrong answers of a run, the most confident first."""
    assert subject.predictions is not None
    wrong = np.flatnonzero(~subject.predictions.correct)
    order = wrong[np.argsort(-subject.predictions.confidence[wrong], kind="stable")]
    return [_example([subject], int(index)) for index in order[:MISTAKES]]


def samples(subjects: Sequence[Subject]) -> list[Group]:
    """For each dataset, images at equal distances in its test split."""
    by_data: dict[str, list[Subject]] = {}
    for subject in subjects:
        if subject.predictions is not None:
            by_data.setdefault(subject.provenance["data_hash"], []).append(subject)
    return [_group(same) for same in by_data.values()]


def why_no_pictures(subject: Subject) -> str:
    """In a sentence; "" if there are pictures."""
    if subject.dataset is None:
        return subject.no_pictures
    if are_pictures(subject.dataset):
        return ""
    shape = "×".join(map(str, subject.dataset.input_shape))
    return f"The data are no pictures: a sample is an array of {shape}. It is named by its place among the test samples."


def _group(same: list[Subject]) -> Group:
    shown = sorted(same, key=lambda subject: subject.dataset is None)  # one that has its pictures, if any has
    assert same[0].predictions is not None
    count = len(same[0].predictions.labels)
    indices = np.unique(np.linspace(0, count - 1, min(SAMPLES, count)).round().astype(int))
    examples = [_example(same, int(index), shown[0]) for index in indices]
    return Group([subject.name for subject in same], same[0].run.settings.dataset, examples, why_no_pictures(shown[0]))


def _example(subjects: Sequence[Subject], index: int, shown: Subject | None = None) -> Example:
    dataset = (shown or subjects[0]).dataset
    seen = picture(dataset, index) if dataset is not None and are_pictures(dataset) else None
    first = subjects[0].predictions
    assert first is not None
    return Example(index, subjects[0].class_names[first.labels[index]], seen, [_answer(subject, index) for subject in subjects])


def _answer(subject: Subject, index: int) -> Answer:
    found = subject.predictions
    assert found is not None
    predicted = subject.class_names[found.predicted[index]]
    return Answer(subject.name, predicted, float(found.confidence[index]), bool(found.correct[index]))
