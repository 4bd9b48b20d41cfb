"""Stage 3: loss and gradients, per parameter."""

from __future__ import annotations

import numpy as np

from unikeras import training
from unikeras.backends.base import Backend
from unikeras.checking.comparing import compare, largest
from unikeras.checking.evidence import GRADIENT_BATCHES
from unikeras.checking.figures import NOISE, UNITS, Figure, fineness
from unikeras.checking.subject import Subject
from unikeras.weights import Weights

SMALLEST_SCALE = 1e-3  # of a gradient, relative to the largest of all
# Below this a gradient is zero by construction, as that of a bias before BatchNorm: nothing is left of it but the rounding of
# sums whose terms are as large as those of the others.
ZERO = 1e-9


def measure(subject: Subject) -> None:
    """A full batch and one of four; and the loss and accuracy of an evaluation whose last batch is a smaller one."""
    model, evidence, data = subject.model, subject.evidence, subject.evidence.data()
    losses = evidence.load_json("losses")
    for step, indices in list(enumerate(evidence.batches()))[: GRADIENT_BATCHES - 1]:
        tensors = evidence.load(f"step-{step:04}")
        model.load_weights(part(tensors, "weights"))
        loss, gradients = model.gradients(data.train.x[indices], data.train.y[indices])
        case = f"batch of {len(indices)}"
        subject.add(loss_figure("loss", case, loss, losses[step], loss_floor(subject, step)))
        compare_gradients(subject, case, gradients, part(tensors, "gradients"), gradient_noise(subject, tensors))
    _evaluation(subject, model)


def measure_regularized(subject: Subject, model: Backend, case: str) -> None:
    """Loss and gradients with smoothed labels; `model` has them."""
    evidence, data = subject.evidence, subject.evidence.data()
    step = evidence.gradient_step(case)
    indices, tensors = evidence.batches()[step], evidence.load(f"step-{step:04}")
    model.load_weights(part(tensors, "weights"))
    loss, gradients = model.gradients(data.train.x[indices], data.train.y[indices])
    subject.add(loss_figure("loss", case, loss, evidence.load_json("regularized")["loss"], loss_floor(subject, step)))
    compare_gradients(subject, case, gradients, evidence.load("regularized"), gradient_noise(subject, tensors))


def compare_gradients(subject: Subject, case: str, received: Weights, expected: Weights, noise: list[Weights]) -> None:
    """Adds a figure for each parameter, those next to the loss first: an error travels from there to the input."""
    overall = max(map(largest, expected.values()))
    for name in reversed(subject.evidence.load_json("trainable")):
        scale = scale_of(expected[name], overall)
        floor = subject.roundoff + NOISE * max(largest(part[name]) for part in noise) / scale if scale else subject.roundoff
        subject.add(compare("gradients", case, name, received.get(name), expected[name], floor, scale))


def scale_of(gradient: np.ndarray, overall: float) -> float:
    """What errors of a gradient are relative to; `overall` is the largest of all gradients."""
    own = largest(gradient)
    return overall if own < ZERO * overall else max(own, SMALLEST_SCALE * overall)


def gradient_noise(subject: Subject, tensors: Weights) -> list[Weights]:
    """What rounding in the subject's arithmetic does to the gradients of a step, as the reference found out by trying."""
    trials = sorted({name.partition("/")[0] for name in tensors if name.startswith("noise")})
    gradients = part(tensors, "gradients")
    overall = max(map(largest, gradients.values()))
    return [
        {
            name: value * fineness(subject.dtype)
            + _summing_noise(subject, _summed_scale(name, gradients, overall), value.shape, trial)
            for name, value in part(tensors, trial).items()
        }
        for trial in trials
    ]


def _summed_scale(name: str, gradients: Weights, overall: float) -> float:
    """Size of what is summed up to a gradient, as far as gradients tell.

    Before a normalisation the terms of a bias' gradient cancel, and the sum says nothing of their size. The other parameters of
    its layer have gradients that are sums of the same terms, times the layer's inputs.
    """
    layer = name.rpartition("/")[0]
    siblings = [largest(value) for other, value in gradients.items() if layer and other.rpartition("/")[0] == layer]
    return max([scale_of(gradients[name], overall), *siblings])


def _summing_noise(subject: Subject, scale: float, shape: tuple[int, ...], trial: str) -> np.ndarray:
    """What the rounding of sums leaves, also where all terms cancel and disturbing the weights changes nothing."""
    rng = np.random.default_rng(int(trial.removeprefix("noise")))
    return UNITS * subject.roundoff * scale * rng.choice([-1.0, 1.0], shape)


def loss_figure(stage: str, case: str, loss: float, expected: float, floor: float) -> Figure:
    """Distance of two losses, relative to the expected one."""
    return compare(stage, case, "loss", np.asarray(loss), np.asarray(expected), floor, loss_scale(expected))


def loss_scale(expected: float) -> float:
    """What errors of a loss are relative to."""
    return max(abs(expected), 0.1)


def loss_floor(subject: Subject, step: int) -> float:
    """One rounding, and what roundings of the weights make of the loss of a teacher-forced step."""
    noise = subject.evidence.load_json("loss-noise")[step] / loss_scale(subject.evidence.load_json("losses")[step])
    return float(subject.roundoff + NOISE * noise * fineness(subject.dtype))


def part(tensors: Weights, group: str) -> Weights:
    """The tensors whose names start with `group/`."""
    return {name.removeprefix(f"{group}/"): value for name, value in tensors.items() if name.startswith(f"{group}/")}


def _evaluation(subject: Subject, model: Backend) -> None:
    evidence, data = subject.evidence, subject.evidence.data()
    expected = evidence.load_json("evaluation")
    model.load_weights(evidence.load("start"))
    model.read_metrics()
    metrics = training.evaluate(model, data.test, evidence.settings.batch_size)
    subject.add(loss_figure("loss", "evaluation", metrics.loss, expected["loss"], subject.roundoff))
    ties = (evidence.load_json("near-ties") + 1) / expected["samples"]
    wrong = abs(metrics.correct - expected["correct"]) / expected["samples"]
    if metrics.samples != expected["samples"]:
        problem = f"{metrics.samples} samples for {expected['samples']}"
        subject.add(Figure("loss", "evaluation", "accuracy", float("inf"), ties, problem))
    else:
        subject.add(Figure("loss", "evaluation", "accuracy", wrong, ties / 16))
