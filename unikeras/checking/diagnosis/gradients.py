"""Mistakes in differentiation: gradients that are scaled, missing, or of the wrong sign."""

from __future__ import annotations

import numpy as np

from unikeras.checking.comparing import largest
from unikeras.checking.diagnosis.matching import TOLERANCE, factor_between, fits, precision
from unikeras.checking.figures import Figure
from unikeras.checking.stage_gradients import part
from unikeras.checking.subject import Subject
from unikeras.weights import Weights


def explain(subject: Subject, figure: Figure) -> str | None:
    """The mistake behind a figure of the gradient stage."""
    received, expected, count = _again(subject, figure)
    name = figure.name
    wrong = [key for key, value in expected.items() if not _equal(received[key], value, expected)]
    factors = {key: factor_between(received[key], expected[key]) for key in wrong}
    factor = factors.get(name)
    if not largest(received[name]):
        return "no gradient reaches it (detached)"
    if factor is None:
        return precision(received[name], expected[name])
    everywhere = len(wrong) > 1 and all(other is not None and abs(other / factor - 1) < TOLERANCE for other in factors.values())
    owner = "all gradients are" if everywhere else "its gradient is"
    for words, value in {"averaged twice": 1 / count, "summed instead of averaged": count, "of the opposite sign": -1.0}.items():
        if abs(factor / value - 1) < TOLERANCE:
            return f"{owner} {words}"
    return f"{owner} multiplied by {factor:.4g}"


def _equal(received: np.ndarray, expected: np.ndarray, all_expected: Weights) -> bool:
    return fits(received, expected, max(map(largest, all_expected.values())))


def _again(subject: Subject, figure: Figure) -> tuple[Weights, Weights, int]:
    """The backend's gradients and the reference's in the figure's case, and the samples in the batch."""
    evidence, data = subject.evidence, subject.evidence.data()
    batches = evidence.batches()
    smoothed = figure.case.endswith("label smoothing")
    step = next((step for step, batch in enumerate(batches[:2]) if figure.case == f"batch of {len(batch)}"), 0)
    tensors = evidence.load(f"step-{step:04}")
    changes = evidence.load_json("regularized")["changes"]
    model = subject.make_model(label_smoothing=changes["label_smoothing"]) if smoothed else subject.make_model()
    model.load_weights(part(tensors, "weights"))
    _, received = model.gradients(data.train.x[batches[step]], data.train.y[batches[step]])
    expected = evidence.load("regularized") if smoothed else part(tensors, "gradients")
    return received, expected, len(batches[step])
