"""The float64 reference: every tensor that backends are compared with, computed once, in a worker of its own.

The model is the Keras file on TensorFlow, in float64. Two things keep it honest. Updates come from NumPy (`numpy_optimizers`), so
no framework has a part in them. And layers and gradients are confirmed by means that share no code with TensorFlow: known layers
are computed again in NumPy, gradients are compared with finite differences of the loss. What could be confirmed, and how well, is
part of the result.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from unikeras import factory
from unikeras.backends.base import Backend
from unikeras.checking import numpy_optimizers, witness
from unikeras.checking.evidence import EVALUATED, GRADIENT_BATCHES, INFERENCE_BATCH, SMALL_BATCH, SMOOTHED, Evidence, spread
from unikeras.checking.figures import ROUNDOFF
from unikeras.checking.stage_gradients import part
from unikeras.data.dataset import Dataset
from unikeras.events import Emit, Stage
from unikeras.optimizers import OptimizerSpec
from unikeras.settings import validate
from unikeras.weights import Weights

# Loss, gradients and weights after the forward pass of each trial, from weights, inputs, labels and the number of directions.
Disturb = Callable[[Weights, np.ndarray, np.ndarray, int], list[tuple[float, Weights, Weights]]]

TWINS = 8
# In which weights are moved at each step, to see what rounding does to the gradients. Of what is on the edge of a decision, as a
# rectifier's input next to zero is, one direction in three moves too little. Where no gradient may jump, more of them are tried.
DIRECTIONS, DIRECTIONS_OF_GRADIENTS = 1, 8
# Relative. It has to move each layer's output about as far as the rounding of long sums does, to meet the same decisions.
DISTURBANCE = 256 * ROUNDOFF["float32"]
WEIGHT_DECAY, LABEL_SMOOTHING = 0.01, 0.1  # of the regularised variants


def make(
    emit: Emit, folder: str, backend: str, settings: dict[str, Any], dataset: str, steps: int, optimizers: list[str]
) -> dict[str, Any]:
    """Fills `folder` with evidence; returns what is known of its quality."""
    checked = validate(settings, {})
    inputs = factory.describe_inputs(Dataset.open(Path(dataset)), checked.normalize)
    evidence = Evidence(Path(folder), checked, inputs, Path(dataset), steps, tuple(optimizers))
    evidence.write()
    emit(Stage(backend, "float64", "reference", 0.0))
    model = factory.make_backend(evidence.with_changes(dtype="float64"), backend, inputs)
    evidence.save_json("layers", witness.describe_layers(model))
    model.disable_dropout()
    initial = model.weights()
    start = spread(initial, model.trainable_names(), checked.seed)
    evidence.save("initial", {name: value.astype(np.float32) for name, value in initial.items()})
    evidence.save("start", start)
    evidence.save_json("trainable", model.trainable_names())
    _forward(evidence, model, start)
    emit(Stage(backend, "float64", "reference", 0.2))
    _steps(evidence, model, backend, start)
    emit(Stage(backend, "float64", "reference", 0.4))
    _regularized(evidence, backend)
    emit(Stage(backend, "float64", "reference", 0.6))
    _trajectory(evidence, backend)
    emit(Stage(backend, "float64", "reference", 0.9))
    return {
        "backend": backend,
        "dtype": "float64",
        "layers": witness.confirm_layers(evidence),
        "gradients": witness.confirm_gradients(evidence, model, start),
    }


def make_model(evidence: Evidence, backend: str, dtype: str, **changes: Any) -> Backend:
    """The checked model, deterministic in training."""
    model = factory.make_backend(evidence.with_changes(dtype=dtype, **changes), backend, evidence.inputs)
    model.disable_dropout()
    return model


def evaluate_at_once(model: Backend, data: Dataset) -> dict[str, float]:
    """Mean loss and accuracy over all test samples in one batch."""
    model.read_metrics()
    model.evaluate_step(np.array(data.test.x), np.array(data.test.y))
    metrics = model.read_metrics()
    return {"loss": metrics.loss, "correct": metrics.correct, "samples": metrics.samples}


def _forward(evidence: Evidence, model: Backend, start: Weights) -> None:
    """Every layer's input and output, in inference and in training, and what training does to the statistics."""
    data = evidence.data()
    for mode, size in (("inference", INFERENCE_BATCH), ("training", SMALL_BATCH)):
        model.load_weights(start)
        tensors: Weights = {}

        def keep(name: str, value: np.ndarray, tensors: Weights = tensors) -> None:
            tensors[name] = value

        tensors["logits"] = model.trace(np.array(data.train.x[:size]), mode == "training", keep)
        evidence.save(mode, tensors)
        evidence.save_json(f"{mode}-order", list(tensors))
        if mode == "training":
            evidence.save("training-after", model.weights())
    model.load_weights(start)
    evidence.save_json("evaluation", evaluate_at_once(model, data))
    logits = model.predict(np.array(data.test.x))
    best = np.sort(logits, axis=1)
    evidence.save_json("near-ties", int((best[:, -1] - best[:, -2] < 1e-4 * np.abs(logits).max()).sum()))
    assert len(logits) <= EVALUATED


def _steps(evidence: Evidence, model: Backend, backend: str, start: Weights) -> None:
    """The teacher-forced steps: state before each, rounded to float32, with its loss and gradients."""
    settings, trainable, data = evidence.settings, model.trainable_names(), evidence.data()
    disturb = _disturber(evidence, backend)
    spec = OptimizerSpec.of(settings.optimizer, settings.weight_decay, settings.clip_norm)
    values, state = start, numpy_optimizers.empty_state(spec, {name: start[name] for name in trainable})
    statistics = [name for name in start if name not in trainable]
    losses, loss_noise = [], []
    for step, (indices, rate) in enumerate(zip(evidence.batches(), evidence.rates(), strict=True)):
        model.load_weights(values)
        loss, gradients = model.gradients(data.train.x[indices], data.train.y[indices])
        losses.append(loss)
        moved = model.weights()  # the statistics have
        directions = DIRECTIONS_OF_GRADIENTS if step < GRADIENT_BATCHES else DIRECTIONS
        disturbed = disturb(values, data.train.x[indices], data.train.y[indices], directions)
        loss_noise.append(max(abs(other - loss) for other, _, _ in disturbed))
        after, new_state = numpy_optimizers.step(
            spec, {name: values[name].astype(np.float64) for name in trainable}, state, gradients, rate
        )
        constrained = _constrained(model, {**moved, **after})
        evidence.save(
            f"step-{step:04}",
            {
                **{f"weights/{name}": value for name, value in values.items()},
                **{f"state/{name}": value for name, value in state.items()},
                **{f"gradients/{name}": value for name, value in gradients.items()},
                **{
                    f"noise{trial}/{name}": (others[name] - value).astype(np.float32)
                    for trial, (_, others, _) in enumerate(disturbed)
                    for name, value in gradients.items()
                },
                **{f"statistics/{name}": moved[name] for name in statistics},
                **{
                    f"statistics-noise/{name}": np.max([np.abs(other[name] - moved[name]) for _, _, other in disturbed], axis=0)
                    for name in statistics
                },
                **{f"constrained/{name}": value for name, value in constrained.items()},
            },
        )
        values = {name: value.astype(np.float32) for name, value in {**moved, **after, **constrained}.items()}
        state = {name: value if name == "iterations" else value.astype(np.float32) for name, value in new_state.items()}
    evidence.save_json("losses", losses)
    evidence.save_json("loss-noise", loss_noise)


def _disturber(evidence: Evidence, backend: str) -> Disturb:
    """Finds what becomes of a step when weights change by some roundings and batch statistics by those of sums.

    A rounding error can put a rectifier or a maximum on its other side, and then a gradient jumps: no bound in units of roundoff
    covers that, but trying it does.
    """
    from unikeras.checking import batch_statistics  # imports Keras, which jobs on native backends must not

    model = make_model(evidence, backend, "float64")
    size = batch_statistics.make_disturbable(model.model)  # type: ignore[attr-defined] # the reference is a Keras model
    trainable = model.trainable_names()

    def disturb(values: Weights, inputs: np.ndarray, labels: np.ndarray, directions: int) -> list[tuple[float, Weights, Weights]]:
        found = []
        for direction, side in itertools.product(range(directions), (1.0, -1.0)):  # an edge is on one side or on the other
            rng = np.random.default_rng(direction)
            changes = {name: DISTURBANCE * rng.choice([-1.0, 1.0], values[name].shape) for name in trainable}
            model.load_weights({**values, **{name: values[name] * (1 + side * change) for name, change in changes.items()}})
            size.assign(side * ROUNDOFF["float32"])
            found.append((*model.gradients(inputs, labels), model.weights()))
        return found

    return disturb


def _constrained(model: Backend, after: Weights) -> Weights:
    """Parameters that the model's own constraints move after an update."""
    model.load_weights(after)
    model.constrain()  # type: ignore[attr-defined] # the reference is a Keras model
    return {name: value for name, value in model.weights().items() if not np.array_equal(value, after[name])}


def _regularized(evidence: Evidence, backend: str) -> None:
    """Loss and gradients of a batch with smoothed labels, and a clipping norm that single gradients of the first one exceed."""
    tensors = evidence.load("step-0000")
    limit = max(float(np.abs(value).max()) for name, value in tensors.items() if name.startswith("gradients/")) / 2
    smoothing = 0.0 if evidence.load_json("layers")["own_loss"] else LABEL_SMOOTHING
    model = make_model(evidence, backend, "float64", label_smoothing=smoothing)
    step = evidence.gradient_step(SMOOTHED)
    model.load_weights(part(evidence.load(f"step-{step:04}"), "weights"))
    indices, data = evidence.batches()[step], evidence.data()
    loss, gradients = model.gradients(data.train.x[indices], data.train.y[indices])
    evidence.save("regularized", gradients)
    changes = {"weight_decay": WEIGHT_DECAY, "clip_norm": limit, "label_smoothing": smoothing}
    evidence.save_json("regularized", {"loss": loss, "changes": changes})


def _trajectory(evidence: Evidence, backend: str) -> None:
    """Losses of a training run in float64, and of float32 twins, whose initial weights differ by one unit in the last place."""
    initial = evidence.load("initial")
    center = _losses(evidence, make_model(evidence, backend, "float64"), initial)
    model = make_model(evidence, backend, "float32")
    rng = np.random.default_rng([evidence.settings.seed % 2**32, 6])
    empty = model.optimizer_state()
    twins = []
    for _ in range(TWINS):
        model.load_optimizer_state(empty)
        twins.append(_losses(evidence, model, {name: _nudged(value, rng) for name, value in initial.items()}))
    evidence.save_json("trajectory", {"center": center, "twins": twins})


def _nudged(value: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    nudged: np.ndarray = np.nextafter(value, np.where(rng.random(value.shape) < 0.5, -np.inf, np.inf).astype(value.dtype))
    return nudged


def _losses(evidence: Evidence, model: Backend, initial: Weights) -> list[float]:
    data = evidence.data()
    model.load_weights(initial)
    losses = []
    for indices, rate in evidence.trajectory():
        model.train_step(data.train.x[indices], data.train.y[indices], rate)
        losses.append(model.read_metrics().loss)
    return losses
