"""Mistakes in the loss, recomputed in NumPy from the backend's own logits."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from unikeras import training
from unikeras.checking.diagnosis.matching import Hypothesis, first_fitting
from unikeras.checking.evidence import SMOOTHED
from unikeras.checking.figures import Figure
from unikeras.checking.numpy_layers import cross_entropy, softmax
from unikeras.checking.stage_gradients import part
from unikeras.checking.subject import Subject


def explain(subject: Subject, figure: Figure) -> str | None:
    """The mistake behind a figure of the loss stage."""
    if figure.case == "evaluation":
        return _explain_evaluation(subject, figure)
    evidence, data = subject.evidence, subject.evidence.data()
    step = evidence.gradient_step(figure.case)
    indices, weights = evidence.batches()[step], part(evidence.load(f"step-{step:04}"), "weights")
    smoothed = figure.case.endswith(SMOOTHED)
    smoothing = evidence.load_json("regularized")["changes"]["label_smoothing"] if smoothed else 0.0
    model = subject.make_model(label_smoothing=smoothing)
    model.load_weights(weights)
    loss, _ = model.gradients(data.train.x[indices], data.train.y[indices])
    model.load_weights(weights)
    logits = model.trace(data.train.x[indices], True, lambda name, value: None)
    labels = data.train.y[indices]
    return first_fitting(np.asarray(loss), _hypotheses(logits.astype(np.float64), labels, smoothing))


def _hypotheses(logits: np.ndarray, labels: np.ndarray, smoothing: float) -> Iterator[Hypothesis]:
    count, classes = logits.shape
    right = cross_entropy(logits, labels, smoothing)
    yield "softmax applied twice", lambda: np.asarray(cross_entropy(softmax(logits), labels, smoothing))
    yield "the loss is averaged twice", lambda: np.asarray(right / count)
    yield "the loss is summed instead of averaged", lambda: np.asarray(right * count)
    yield "the loss is averaged over the classes, too", lambda: np.asarray(right / classes)
    yield "the loss in bits (base 2)", lambda: np.asarray(right / np.log(2))
    yield "labels are shifted by one", lambda: np.asarray(cross_entropy(logits, (labels + 1) % classes, smoothing))
    yield "labels are shifted by one", lambda: np.asarray(cross_entropy(logits, (labels - 1) % classes, smoothing))
    if smoothing:
        yield "label smoothing is ignored", lambda: np.asarray(cross_entropy(logits, labels))
        # All of the share goes to the other classes, so that the true one keeps less than Keras gives it.
        among_others = smoothing * classes / (classes - 1)
        yield "label smoothing over the other K−1 classes", lambda: np.asarray(cross_entropy(logits, labels, among_others))
        yield "label smoothing applied twice", lambda: np.asarray(cross_entropy(logits, labels, 1 - (1 - smoothing) ** 2))


def _explain_evaluation(subject: Subject, figure: Figure) -> str | None:
    evidence, data, model = subject.evidence, subject.evidence.data(), subject.model
    model.load_weights(evidence.load("start"))
    model.read_metrics()
    batch_size = evidence.settings.batch_size
    size = training.evaluation_batch_size(batch_size)
    metrics = training.evaluate(model, data.test, batch_size)
    total = len(data.test.y)
    if metrics.samples < total:
        last = total % size
        return (
            "the last batch is left out" if total - metrics.samples == last else f"{total - metrics.samples} samples are left out"
        )
    logits = model.predict(np.array(data.test.x)).astype(np.float64)
    pieces = [slice(start, start + size) for start in range(0, total, size)]
    of_batches = [cross_entropy(logits[piece], data.test.y[piece]) for piece in pieces]
    hypotheses: list[Hypothesis] = [
        ("the mean of the batches' means: the smaller last batch weighs too much", lambda: np.asarray(np.mean(of_batches))),
        ("softmax applied twice", lambda: np.asarray(cross_entropy(softmax(logits), data.test.y))),
        ("labels are shifted by one", lambda: np.asarray(cross_entropy(logits, (data.test.y + 1) % logits.shape[1]))),
    ]
    return first_fitting(np.asarray(metrics.loss), hypotheses)
