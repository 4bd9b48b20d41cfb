"""Mistakes in the forward pass: in a layer, between layers, or in the statistics that a layer keeps."""

from __future__ import annotations

import numpy as np

from unikeras.checking import numpy_layers, stage_forward
from unikeras.checking.diagnosis import between, layers, matching, statistics
from unikeras.checking.figures import Figure
from unikeras.checking.subject import Subject
from unikeras.checking.witness import layer_weights
from unikeras.weights import Weights


def explain(subject: Subject, figure: Figure) -> matching.Diagnosis | str | None:
    """The mistake behind a figure of the forward stage."""
    if figure.case == "dropout":
        scaled_wrongly = figure.problem is not None and figure.problem.startswith("values")
        return "dropout that does not multiply by 1/(1 − rate)" if scaled_wrongly else "dropout with another rate"
    if figure.case == "whole model":
        return _explain_logits(subject, figure)
    if figure.problem == "missing":
        return "the layer is never called, or bears another name"
    model = subject.make_model(dropout=figure.case == "inference")
    seen, again = (stage_forward.trace(subject, model, figure.case) for _ in range(2))
    name, side = figure.name.partition(":")[::2]
    if not side and name != "logits":
        return _explain_statistics(subject, name)
    if figure.name in again and not np.array_equal(seen[figure.name], again[figure.name]):
        return _dropout(subject, figure, seen) or "random numbers: it differs from call to call"
    if side == "output":
        return _explain_layer(subject, figure, seen) or between.explain(subject, figure, seen)
    return between.explain(subject, figure, seen)


def explain_precision(subject: Subject, figure: Figure) -> str | None:
    """The arithmetic behind a figure of the forward stage that is right in float64."""
    if figure.case not in stage_forward.CASES:
        return None
    model = subject.make_model(dropout=figure.case == "inference")
    seen = stage_forward.trace(subject, model, figure.case)
    expected = subject.evidence.load(figure.case)[figure.name]
    return matching.precision(seen[figure.name].astype(np.float64), expected)


def _explain_layer(subject: Subject, figure: Figure, seen: Weights) -> str | None:
    path = figure.name.partition(":")[0]
    evidence = subject.evidence
    reference, layer = evidence.load(figure.case), evidence.load_json("layers")["layers"].get(path)
    x, expected, actual = reference.get(f"{path}:input"), reference[figure.name], seen[figure.name]
    if layer is None or x is None:
        return None
    weights = layer_weights(evidence.load("start"), path)
    return layers.explain(layer, weights, x, expected, actual, figure.case == "training")


def _explain_logits(subject: Subject, figure: Figure) -> str | None:
    if figure.problem == "differs from call to call":
        return "random numbers at evaluation, such as dropout that is left on"
    evidence = subject.evidence
    model = subject.make_model(dropout=True)
    model.load_weights(evidence.load("start"))
    actual = model.predict(np.array(evidence.data().train.x[: stage_forward.CASES["inference"]]))
    expected = evidence.load("inference")["logits"]
    factor = matching.factor_between(actual, expected)
    if factor is not None:
        return f"logits multiplied by {factor:.4g}"
    hypotheses = [("softmax at the end of the model", lambda: numpy_layers.softmax(expected))]
    return matching.first_fitting(actual, hypotheses)


def _dropout(subject: Subject, figure: Figure, seen: Weights) -> str | None:
    """Whether values were zeroed or multiplied as dropout does."""
    path, _, side = figure.name.partition(":")
    reference = subject.evidence.load(figure.case)
    before = reference[figure.name] if side == "input" else reference.get(f"{path}:input")
    actual = seen[figure.name]
    if before is None or before.shape != actual.shape:
        return None
    dropped = (actual == 0) & (before != 0)
    kept = actual[~dropped & (before != 0)] / before[~dropped & (before != 0)]
    if not dropped.any() or not kept.size or not matching.fits(kept, np.full_like(kept, kept[0])):
        return None
    return "dropout that is left on at evaluation" if figure.case == "inference" else "dropout that can't be switched off"


def _explain_statistics(subject: Subject, name: str) -> str | None:
    evidence, model = subject.evidence, subject.model
    stage_forward.trace(subject, model, "training")
    return statistics.explain(subject, name, model.weights()[name], evidence.load("start"), evidence.load("training-after"))
