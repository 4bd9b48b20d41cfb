"""Stage 2: every layer's output, and what happens between layers, each fed with the reference's input to it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from unikeras.backends.base import Backend
from unikeras.checking.comparing import compare
from unikeras.checking.evidence import INFERENCE_BATCH, SMALL_BATCH
from unikeras.checking.figures import Figure
from unikeras.checking.subject import Subject
from unikeras.weights import Weights

CASES = {"inference": INFERENCE_BATCH, "training": SMALL_BATCH}


def measure(subject: Subject) -> None:
    """Inference and training mode; in training the statistics as well."""
    rates = _dropout_rates(subject)
    # At evaluation dropout has to be off by itself.
    unchanged = subject.make_model(dropout=True) if rates else subject.model
    for case, model in {"inference": unchanged, "training": subject.model}.items():
        _compare_layers(subject, case, trace(subject, model, case))
    _compare_statistics(subject, subject.model)
    _compare_whole(subject, unchanged)
    _measure_dropout(subject, unchanged, rates)


def trace(subject: Subject, model: Backend, case: str) -> Weights:
    """What arrives at each layer and what leaves it, while every layer is given the reference's tensors."""
    reference = subject.evidence.load(case)
    seen: Weights = {}

    def observe(name: str, value: np.ndarray) -> np.ndarray | None:
        seen[name] = value
        expected = reference.get(name)
        return expected if expected is not None and expected.shape == value.shape else None

    model.load_weights(subject.evidence.load("start"))
    inputs = np.array(subject.evidence.data().train.x[: CASES[case]])
    seen["logits"] = model.trace(inputs, case == "training", observe)
    return seen


def _compare_layers(subject: Subject, case: str, seen: Weights) -> None:
    reference = subject.evidence.load(case)
    owners = {name.rpartition("/")[0] for name in subject.evidence.load("start")}
    layers = subject.evidence.load_json("layers")["layers"]
    for name in subject.evidence.load_json(f"{case}-order"):
        has_to_be_there = name == "logits" or (name.partition(":")[0] in owners and not name.endswith(":activation"))
        if name in seen or has_to_be_there:
            floor = subject.roundoff * _summing_error(layers.get(name.partition(":")[0], {}), name, case, reference[name])
            subject.add(compare("forward", case, name, seen.get(name), reference[name], floor))


def _summing_error(layer: dict[str, Any], name: str, case: str, output: np.ndarray) -> float:
    """Roundings that a layer's sums amount to, beyond those of its operands.

    Other layers' sums are short, or their terms cancel. BatchNorm adds up positive squares, of thousands of values a channel, and
    torch's kernel for channels-last memory does it one by one in float32.
    """
    if case == "training" and layer.get("type") == "BatchNormalization" and name.endswith(":output"):
        return max(1.0, math.sqrt(output.size / output.shape[-1]) / 4)
    return 1.0


def _compare_statistics(subject: Subject, model: Backend) -> None:
    after, trainable = subject.evidence.load("training-after"), set(subject.evidence.load_json("trainable"))
    received = model.weights()
    for name in after:
        if name not in trainable:
            subject.add(compare("forward", "training", name, received.get(name), after[name], subject.roundoff))


def _compare_whole(subject: Subject, model: Backend) -> None:
    """The model as it is used: without the reference's help, and the same twice."""
    model.load_weights(subject.evidence.load("start"))
    inputs = np.array(subject.evidence.data().train.x[:INFERENCE_BATCH])
    first, second = model.predict(inputs), model.predict(inputs)
    expected = subject.evidence.load("inference")["logits"]
    figure = compare("forward", "whole model", "logits", first, expected, subject.roundoff)
    if not np.array_equal(first, second):
        figure = Figure("forward", "whole model", "logits", math.inf, subject.roundoff, "differs from call to call")
    subject.add(figure)


def _dropout_rates(subject: Subject) -> dict[str, float]:
    layers = subject.evidence.load_json("layers")["layers"]
    return {path: layer["config"]["rate"] for path, layer in layers.items() if layer["type"] == "Dropout"}


def _measure_dropout(subject: Subject, model: Backend, rates: dict[str, float]) -> None:
    """Share and scale of what a Dropout layer leaves in training: its masks differ by backend, but not these."""
    if not rates:
        return
    model.load_weights(subject.evidence.load("start"))
    inputs, given = np.array(subject.evidence.data().train.x[:64]), dict[str, np.ndarray]()

    def observe(name: str, value: np.ndarray) -> np.ndarray | None:
        given[name] = value
        return np.ones_like(value) if name.partition(":")[0] in rates and name.endswith(":input") else None

    model.trace(inputs, True, observe)
    for path, rate in rates.items():
        if f"{path}:output" in given:
            subject.add(_dropout_figure(path, rate, given[f"{path}:output"]))


def _dropout_figure(path: str, rate: float, output: np.ndarray) -> Figure:
    """Distance of the share of zeros from the rate, in six standard deviations; the others have to be 1/(1 − rate)."""
    name, kept = f"{path}:mask", output[output != 0]
    share = 1 - kept.size / output.size
    if kept.size and np.abs(kept * (1 - rate) - 1).max() > 1e-2:
        scaled_for = 1 - 1 / kept.flat[0]
        other_rate = abs(scaled_for - share) < 0.05
        problem = f"rate {scaled_for:.2f} for {rate:g}" if other_rate else f"values are multiplied by {kept.flat[0]:.4g}"
        return Figure("forward", "dropout", name, math.inf, 1.0, problem)
    deviation = math.sqrt(rate * (1 - rate) / output.size)
    return Figure("forward", "dropout", name, abs(share - rate) / (6 * deviation or 1.0), 1.0 / 16)
