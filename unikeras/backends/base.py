"""The contract of a backend.

A backend knows how to take a step, evaluate, predict, hand over weights and optimiser state, and take them back. Order, logging,
stopping and files belong to `training.py`, which knows no framework. Two rules keep backends comparable:

- Nothing random happens in a backend: initial weights are `weights.initial_value`, batches come in from outside. Only a model's
  own draws, such as dropout's, are the framework's; their generators are part of a checkpoint.
- Keras' arithmetic is the definition: a native backend computes Keras' formulas with its framework's fastest kernels.

To add one, write `backends/NAME.py` (Keras on a framework) or `backends/native_NAME.py` (the framework alone) with a class
`Backend`, and put the framework among the dependencies in pyproject.toml. Command line, tests and tables find it by itself.
"""

from __future__ import annotations

import abc
import dataclasses
import random
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, NamedTuple, SupportsFloat

import numpy as np

from unikeras.errors import ModelError
from unikeras.optimizers import OptimizerSpec
from unikeras.weights import Weights


@dataclasses.dataclass(frozen=True)
class ModelSpec:
    """Everything that a backend has to know.

    Attributes:
        model_file: The Keras file, or its native sibling for a backend without Keras.
        input_shape: Of one sample, channels last.
        input_dtype: NumPy type of the samples as they come in.
        scale, offset: float64, broadcastable to a sample; the model sees `sample * scale + offset`.
        dtype: float32, mixed_bfloat16 or float64.
        seed: Decides the initial weights.
        threads: CPU threads, or None for the framework's own choice.
    """

    model_file: Path
    input_shape: tuple[int, ...]
    input_dtype: str
    num_classes: int
    scale: np.ndarray
    offset: np.ndarray
    dtype: str
    seed: int
    label_smoothing: float
    optimizer: OptimizerSpec
    threads: int | None

    @property
    def variable_dtype(self) -> str:
        """Type of weights, slots, loss and logits."""
        return "float64" if self.dtype == "float64" else "float32"

    @property
    def mixed(self) -> bool:
        """Whether layers compute in bfloat16."""
        return self.dtype == "mixed_bfloat16"


Observe = Callable[[str, np.ndarray], np.ndarray | None]
"""Sees a tensor on its way through the model, and may return another to be used in its place.

Names are `LAYER:input` and `LAYER:output` with the layer's canonical path; `LAYER#2:…` is its second call. Arrays are channels
last. Where a Keras layer ends with an activation, its output is what comes before it, and `LAYER:activation` what comes after.
"""


class Metrics(NamedTuple):
    """Sums over the samples since the last reading."""

    loss_sum: float
    correct: int
    samples: int

    @property
    def loss(self) -> float:
        return self.loss_sum / self.samples

    @property
    def accuracy(self) -> float:
        return self.correct / self.samples


class Backend(abc.ABC):
    """One way to run a model. Arrays that come in are NumPy batches: inputs B×input_shape, labels B (int64)."""

    name: ClassVar[str]
    device: str
    module: ModuleType
    spec: ModelSpec
    gives_probabilities: bool = False
    """Whether the model's outputs on its first batch, of zeros, are probabilities and no logits."""

    @abc.abstractmethod
    def __init__(self, spec: ModelSpec) -> None:
        """Builds the model with its seeded initial weights and the optimiser with empty slots.

        Raises:
            ModelError: the model file is wrong or doesn't fit the data.
        """

    @abc.abstractmethod
    def train_step(self, inputs: np.ndarray, labels: np.ndarray, learning_rate: float) -> SupportsFloat:
        """One update; loss and accuracy before it are added to the sums on the device, without waiting for them.

        Returns:
            The batch's mean loss, still on the device: `float` of it waits.
        """

    @abc.abstractmethod
    def evaluate_step(self, inputs: np.ndarray, labels: np.ndarray) -> None:
        """Adds loss and accuracy to the sums, with the model in inference mode."""

    @abc.abstractmethod
    def read_metrics(self) -> Metrics:
        """The sums since the last call, waiting for the device; then they start at zero."""

    @abc.abstractmethod
    def load_metrics(self, metrics: Metrics) -> None:
        """Lets the sums start from these instead of zero."""

    @abc.abstractmethod
    def predict(self, inputs: np.ndarray) -> np.ndarray:
        """Logits, B×num_classes."""

    @abc.abstractmethod
    def weights(self) -> Weights:
        """All parameters and statistics in canonical names and layouts."""

    @abc.abstractmethod
    def load_weights(self, weights: Weights) -> None:
        """Takes canonical weights.

        Raises:
            ModelError: names or shapes don't fit the model; nothing is changed then.
        """

    @abc.abstractmethod
    def trainable_names(self) -> list[str]:
        """Canonical names of the parameters that training changes."""

    @abc.abstractmethod
    def optimizer_state(self) -> Weights:
        """Slots as `SLOT/canonical name` in canonical layouts, and `iterations`, the number of updates so far."""

    @abc.abstractmethod
    def load_optimizer_state(self, state: Weights) -> None:
        """Takes what `optimizer_state` of any backend with the same rule returned.

        Raises:
            ModelError: names or shapes don't fit; nothing is changed then.
        """

    @abc.abstractmethod
    def gradients(self, inputs: np.ndarray, labels: np.ndarray) -> tuple[float, Weights]:
        """Mean loss of a batch in training mode, and its gradient for every trainable parameter; takes no step.

        Statistics that the model keeps while it trains move as they do in `train_step`.
        """

    @abc.abstractmethod
    def apply_gradients(self, gradients: Weights, learning_rate: float) -> None:
        """The update of `train_step` alone, with gradients from outside."""

    @abc.abstractmethod
    def trace(self, inputs: np.ndarray, training: bool, observe: Observe) -> np.ndarray:
        """Logits of a forward pass, layer by layer before the eyes of `observe`."""

    @abc.abstractmethod
    def disable_dropout(self) -> None:
        """Makes training deterministic, before the first step: backends draw different masks, which can't be compared."""

    def random_state(self) -> Weights:
        """State of every generator that the model may draw from in a step, such as those of dropout; {} if there is none."""
        return {}

    def load_random_state(self, state: Weights) -> None:  # noqa: B027 - a backend without generators has nothing to do
        """Takes what `random_state` of the same backend returned, so that the next step draws the same numbers.

        Raises:
            ModelError: it belongs to another model or backend.
        """

    def unsaved_randomness(self) -> list[str]:
        """What the model draws from that `random_state` can't hold, in the framework's names; rarely anything."""
        return []

    def save_model(self, path: Path) -> None:  # noqa: B027 - having no format of its own is a valid answer
        """Writes the framework-independent model file, where the backend has one."""


def python_random_state() -> Weights:
    """State of Python's own generator, from which a model's code may draw and Keras' layers are seeded."""
    _, words, gauss = random.getstate()
    return {"python": np.array(words, np.uint32), "python_gauss": np.array([] if gauss is None else [gauss], np.float64)}


def load_python_random_state(state: Weights) -> None:
    """Takes what `python_random_state` returned."""
    gauss = state["python_gauss"].tolist()
    random.setstate((3, tuple(state["python"].tolist()), gauss[0] if gauss else None))


def own_loss(module: ModuleType, spec: ModelSpec) -> Callable[..., Any] | None:
    """The `loss(labels, logits)` of a model file, which replaces cross-entropy; None if it has none.

    Raises:
        ModelError: it has one, and label smoothing, which belongs to cross-entropy, is asked for.
    """
    loss: Callable[..., Any] | None = getattr(module, "loss", None)
    if loss is not None and spec.label_smoothing:
        raise ModelError(
            f"{spec.model_file} has a loss of its own, which label smoothing can't change.", cure="Leave out --label-smoothing."
        )
    return loss


def are_probabilities(outputs: np.ndarray) -> bool:
    """Whether B×num_classes outputs lie in [0, 1] and sum to 1, as a softmax' do; bfloat16 has two to three digits."""
    values = outputs.astype(np.float64)
    return bool((values >= 0).all() and (np.abs(values.sum(axis=1) - 1) < 0.02).all())


def require_logits(shape: tuple[int | None, ...], num_classes: int, model_file: Path) -> None:
    """Checks a model's output shape, batch axis first.

    Raises:
        ModelError: it is not B×num_classes.
    """
    if tuple(shape[1:]) != (num_classes,):
        raise ModelError(
            f"{model_file} returns outputs of shape {tuple(shape)} where the data have {num_classes} classes.",
            cure=f"Its last layer must give one logit a class: shape (batch, {num_classes}).",
        )
