"""Mistakes in updates: which wrong rule, or which wrong gradient, gives what the backend has after a step."""

from __future__ import annotations

import math

import numpy as np

from unikeras.checking import stage_optimizer
from unikeras.checking.comparing import largest
from unikeras.checking.diagnosis import rules, statistics
from unikeras.checking.diagnosis.matching import TOLERANCE
from unikeras.checking.figures import Figure
from unikeras.checking.stage_gradients import ZERO, part
from unikeras.checking.subject import Subject
from unikeras.optimizers import OptimizerSpec
from unikeras.weights import Weights


def explain_rule(subject: Subject, figure: Figure) -> str | None:
    """The mistake behind a figure of the optimiser stage."""
    case, _, step = figure.case.rpartition(", step ")
    place = stage_optimizer.observe(subject, case, int(step) - 1)
    found = _fitting_variant(place.spec, place.before, place.state, place.gradients, place.rate, place.received)
    return _explain_loading(place) or found or _of_one_parameter(place)


def _explain_loading(place: stage_optimizer.Place) -> str | None:
    """Whether a right update was made of a state that loading should have replaced."""
    slots_only = {**place.stale, "iterations": place.state["iterations"]}
    count_only = {**place.state, "iterations": place.stale["iterations"]}
    states = {
        "slots are not loaded": slots_only,
        "the count of updates is not loaded": count_only,
        "the state is not loaded": place.stale,
    }
    for words, state in states.items():
        after, new_state = rules.step(rules.Variant(words), place.spec, place.before, state, place.gradients, place.rate)
        if _all_fit(place.before, {**after, **new_state}, place.received):
            return words
    # Taken and handed out in another layout.
    turned = {name: _transposed(value) for name, value in place.state.items()}
    after, new_state = rules.step(rules.Variant("right"), place.spec, place.before, turned, place.gradients, place.rate)
    handed_out = {name: _transposed(value) for name, value in new_state.items()}
    return "slots are transposed" if _all_fit(place.before, {**after, **handed_out}, place.received) else None


def _transposed(value: np.ndarray) -> np.ndarray:
    """A square matrix transposed; anything else as it is, for it would have another shape."""
    return value.swapaxes(-1, -2) if value.ndim == 2 and value.shape[0] == value.shape[1] else value


def _fitting_variant(
    spec: OptimizerSpec, before: Weights, state: Weights, gradients: Weights, rate: float, received: Weights
) -> str | None:
    """The words of the first wrong rule that makes what was received, and makes it better than the right one does."""

    def misfit(variant: rules.Variant) -> float:
        after, new_state = rules.step(variant, spec, before, state, gradients, rate)
        return _misfit(before, {**after, **new_state}, received)

    right = misfit(rules.Variant("right"))
    return next((variant.words for variant in rules.variants(spec) if misfit(variant) <= min(TOLERANCE, right / 2)), None)


def _all_fit(before: Weights, expected: Weights, received: Weights) -> bool:
    return _misfit(before, expected, received) <= TOLERANCE


def _misfit(before: Weights, expected: Weights, received: Weights) -> float:
    """The largest difference of all parameters and slots, relative to what each can be told by; infinite where none can be."""
    return max(_distance(before.get(name), value, received.get(name)) for name, value in expected.items())


def _distance(start: np.ndarray | None, expected: np.ndarray, received: np.ndarray | None) -> float:
    if received is None or received.shape != expected.shape:
        return math.inf
    if not expected.size:
        return 0.0
    start = np.zeros_like(expected) if start is None else start
    finite = np.isfinite(expected)  # a root of swapped slots is no number
    if (finite != np.isfinite(received)).any():
        return math.inf
    moved = float(np.abs(expected - start)[finite].max(initial=0.0))
    # A parameter can't be known better than to its own rounding, however little it moves.
    # And Adam makes whole rates of gradients that are zero but for rounding.
    size = 100 * max(moved, 1e-6 * float(np.abs(start).max()))
    difference = float(np.abs(received.astype(np.float64) - expected)[finite].max(initial=0.0))
    return difference / max(size, 1e-30)


def _of_one_parameter(place: stage_optimizer.Place) -> str | None:
    still = [name for name, value in place.before.items() if np.array_equal(place.received[name], value)]
    if still and len(still) < len(place.before):
        return f"{', '.join(still[:3])} never moves"
    return None


def explain_step(subject: Subject, figure: Figure) -> str | None:
    """The mistake behind a figure of the steps stage: the rule is right, so what it was given is not."""
    evidence = subject.evidence
    step = int(figure.case.removeprefix("step ")) - 1
    settings = evidence.settings
    spec = OptimizerSpec.of(settings.optimizer, settings.weight_decay, settings.clip_norm)
    if figure.name == "loss":
        return _explain_loss(subject, step)
    received = _run(subject, step)
    tensors = evidence.load(f"step-{step:04}")
    if f"statistics/{figure.name}" in tensors:
        return statistics.explain(
            subject, figure.name, received[figure.name], part(tensors, "weights"), part(tensors, "statistics")
        )
    gradients = _moving(part(tensors, "gradients"))
    before = {name: value.astype(np.float64) for name, value in part(tensors, "weights").items() if name in gradients}
    state, rate = part(tensors, "state"), evidence.rates()[step]
    found = _fitting_variant(spec, before, state, gradients, rate, received)
    return found or _explain_gradient(subject, step, _used_gradient(spec, before, state, received, rate))


def _moving(gradients: Weights) -> Weights:
    """Gradients that are more than rounding: of that, which differs by backend, Adam makes whole steps."""
    overall = max(map(largest, gradients.values()))
    return {name: value for name, value in gradients.items() if largest(value) >= ZERO * overall}


def _explain_loss(subject: Subject, step: int) -> str | None:
    """Whether the loss that a step reports is not that of one step, before its update."""
    evidence, data, model = subject.evidence, subject.evidence.data(), subject.make_model()
    tensors, indices = evidence.load(f"step-{step:04}"), evidence.batches()[step]
    model.load_weights(part(tensors, "weights"))
    model.load_optimizer_state(part(tensors, "state"))
    model.read_metrics()
    model.train_step(data.train.x[indices], data.train.y[indices], evidence.rates()[step])
    metrics = model.read_metrics()
    if metrics.samples == 2 * len(indices):
        return "the step is taken twice"
    reported = metrics.loss
    model.evaluate_step(data.train.x[indices], data.train.y[indices])
    if abs(model.read_metrics().loss - reported) <= TOLERANCE * abs(reported):
        return "the loss of the updated model at evaluation, not that of the step"
    after = {name: value for name, value in model.weights().items() if name in evidence.load_json("trainable")}
    model.load_weights({**part(tensors, "weights"), **after})
    loss, _ = model.gradients(data.train.x[indices], data.train.y[indices])
    return "the loss after the update, not before it" if abs(loss - reported) <= TOLERANCE * abs(loss) else None


def _run(subject: Subject, last: int) -> Weights:
    """State after the last of several steps of a fresh model, each from the reference's state."""
    evidence, data, model = subject.evidence, subject.evidence.data(), subject.make_model()
    for step in range(last + 1):
        tensors = evidence.load(f"step-{step:04}")
        model.load_weights(part(tensors, "weights"))
        model.load_optimizer_state(part(tensors, "state"))
        indices = evidence.batches()[step]
        model.train_step(data.train.x[indices], data.train.y[indices], evidence.rates()[step])
    return {**model.weights(), **model.optimizer_state()}


def _used_gradient(spec: OptimizerSpec, before: Weights, state: Weights, received: Weights, rate: float) -> Weights | None:
    """The gradient that an update must have been given, from the slots or the parameters it left."""
    constants = spec.rule.constants
    if spec.rule.family == "adam":
        keep = constants["beta_1"]
        return {
            name: (received[f"momentum/{name}"] - keep * state[f"momentum/{name}"].astype(np.float64)) / (1 - keep)
            for name in before
        }
    if spec.rule.family == "sgd":
        keep = constants.get("momentum", 0.0)
        old = {name: keep * state[f"momentum/{name}"].astype(np.float64) if keep else 0.0 for name in before}
        new = {name: received[f"momentum/{name}"] if keep else received[name] - before[name] for name in before}
        return {name: (old[name] - new[name]) / rate for name in before}
    return None


def _explain_gradient(subject: Subject, step: int, used: Weights | None) -> str | None:
    """The used gradient as a sum of those of this step and of earlier ones."""
    if used is None:
        return None
    evidence = subject.evidence
    known = [part(evidence.load(f"step-{earlier:04}"), "gradients") for earlier in range(step, -1, -1)]
    columns = np.stack([np.concatenate([one[name].ravel() for name in used]) for one in known], axis=1)
    target = np.concatenate([value.ravel() for value in used.values()])
    shares, *_ = np.linalg.lstsq(columns, target, rcond=None)
    if np.abs(columns @ shares - target).max() > 1e3 * TOLERANCE * np.abs(target).max():
        return None
    if step and abs(shares[0] - 1) < 1e-4 and abs(shares[1] - 1) < 1e-4:
        return "gradients are accumulated: those of the step before are still there (no zero_grad)"
    if step and abs(shares[0]) < 1e-4 and abs(shares[1] - 1) < 1e-4:
        return "the gradient of the step before"
    count = len(evidence.batches()[step])
    if abs(shares[0] * count - 1) < 1e-4:
        return "gradients are averaged twice"
    alone = np.abs(shares[1:]).max(initial=0.0) < 1e-4
    return f"the gradient multiplied by {shares[0]:.4g}" if alone and abs(shares[0] - 1) > 1e-4 else None
