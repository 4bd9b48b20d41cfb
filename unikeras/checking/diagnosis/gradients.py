"""Mistakes in differentiation: gradients that are scaled, missing, or of the wrong sign."""

from __future__ import annotations

import numpy as np

from unikeras.checking.comparing import largest
from unikeras.checking.diagnosis.matching import TOLERANCE, factor_between, fits, precision
from unikeras.checking.evidence import SMOOTHED
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
        return _constant_statistics(subject, figure, received) or precision(received[name], expected[name])
    everywhere = len(wrong) > 1 and all(other is not None and abs(other / factor - 1) < TOLERANCE for other in factors.values())
    owner = "all gradients are" if everywhere else "its gradient is"
    for words, value in {"averaged twice": 1 / count, "summed instead of averaged": count, "of the opposite sign": -1.0}.items():
        if abs(factor / value - 1) < TOLERANCE:
            return f"{owner} {words}"
    return f"{owner} multiplied by {factor:.4g}"


def _constant_statistics(subject: Subject, figure: Figure, received: Weights) -> str | None:
    """Whether the BatchNormalization after a layer takes the batch's mean and variance for constants.

    The gradient of the layer's bias, which is zero otherwise, is then that of beta times gamma/√(variance + epsilon).
    """
    evidence = subject.evidence
    tensors = evidence.load(f"step-{evidence.gradient_step(figure.case):04}")
    before, after, order = part(tensors, "weights"), part(tensors, "statistics"), evidence.load_json("training-order")
    path = figure.name.rpartition("/")[0]
    place = order.index(f"{path}:output") if f"{path}:output" in order else len(order)
    norm = order[place + 1].partition(":")[0] if place + 1 < len(order) else ""
    layer, names = evidence.load_json("layers")["layers"].get(norm, {}), [f"{norm}/{leaf}" for leaf in ("gamma", "beta")]
    if layer.get("type") != "BatchNormalization" or not {f"{path}/bias", *names} <= received.keys():
        return None
    momentum, variance = layer["config"]["momentum"], f"{norm}/moving_variance"
    of_batch = (after[variance] - momentum * before[variance].astype(np.float64)) / (1 - momentum)
    scale = before[names[0]].astype(np.float64) / np.sqrt(of_batch + layer["config"]["epsilon"])
    cut = fits(received[f"{path}/bias"], scale * received[names[1]])
    return f"{norm} takes the statistics of the batch for constants" if cut else None


def _equal(received: np.ndarray, expected: np.ndarray, all_expected: Weights) -> bool:
    return fits(received, expected, max(map(largest, all_expected.values())))


def _again(subject: Subject, figure: Figure) -> tuple[Weights, Weights, int]:
    """The backend's gradients and the reference's in the figure's case, and the samples in the batch."""
    evidence, data = subject.evidence, subject.evidence.data()
    batches = evidence.batches()
    smoothed = figure.case.endswith(SMOOTHED)
    step = evidence.gradient_step(figure.case)
    tensors = evidence.load(f"step-{step:04}")
    changes = evidence.load_json("regularized")["changes"]
    model = subject.make_model(label_smoothing=changes["label_smoothing"]) if smoothed else subject.make_model()
    model.load_weights(part(tensors, "weights"))
    _, received = model.gradients(data.train.x[batches[step]], data.train.y[batches[step]])
    expected = evidence.load("regularized") if smoothed else part(tensors, "gradients")
    return received, expected, len(batches[step])
