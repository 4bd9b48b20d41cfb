"""Steps on torch, for Keras models and for native ones."""

from __future__ import annotations

import abc
import contextlib
import random
from collections.abc import Callable
from types import ModuleType
from typing import Any, SupportsFloat

import numpy as np
import torch

from unikeras import weights
from unikeras.backends import base
from unikeras.backends._torch_optimizers import make_optimizer
from unikeras.weights import Weights

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def configure(spec: base.ModelSpec) -> None:
    """Sets what belongs to the process: threads, seeds of dropout, and float32 that means float32 (no TF32 anywhere)."""
    if spec.threads:
        torch.set_num_threads(spec.threads)
    random.seed(spec.seed)
    torch.manual_seed(spec.seed)
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False


class TorchSteps(base.Backend):
    """Train, evaluate and predict on torch; a subclass brings the model and its update."""

    module: ModuleType

    def __init__(self, spec: base.ModelSpec) -> None:
        configure(spec)
        self.spec = spec
        self.device = str(DEVICE)
        self.dtype = getattr(torch, spec.variable_dtype)
        self.scale = torch.as_tensor(spec.scale, dtype=self.dtype, device=DEVICE)
        self.offset = torch.as_tensor(spec.offset, dtype=self.dtype, device=DEVICE) if spec.offset.any() else None
        self.sums = torch.zeros(3, dtype=torch.float64, device=DEVICE)
        self.build_model()
        self.loss = self._choose_loss()
        self.optimizer = make_optimizer(spec.optimizer, [self.tensor(name) for name in self.trainable_names()])

    @abc.abstractmethod
    def build_model(self) -> None:
        """Sets `module` and the model."""

    @abc.abstractmethod
    def forward(self, inputs: torch.Tensor, training: bool) -> torch.Tensor:
        """Logits of normalised, channels-last inputs."""

    @abc.abstractmethod
    def penalty(self) -> torch.Tensor | float:
        """What the model's layers add to the loss."""

    def training_pass(self, inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | float]:
        """Logits in training mode, and the penalty."""
        return self.forward(inputs, training=True), self.penalty()

    @abc.abstractmethod
    def tensor(self, name: str) -> torch.Tensor:
        """The parameter of a canonical name."""

    def canonical(self, name: str, tensor: torch.Tensor) -> torch.Tensor:
        """View in canonical layout of a tensor that is laid out as the parameter `name` is."""
        return tensor

    def constrain(self) -> None:
        """Called after each update: applies what the model demands of its parameters."""

    @abc.abstractmethod
    def observed(self, observe: base.Observe) -> contextlib.AbstractContextManager[None]:
        """While it lasts, `observe` sees the layers at work."""

    def train_step(self, inputs: np.ndarray, labels: np.ndarray, learning_rate: float) -> SupportsFloat:
        loss, logits, targets = self._differentiate(inputs, labels)
        self.optimizer.step(learning_rate)
        self.constrain()
        self._add(loss, logits, targets)
        batch_loss: SupportsFloat = loss.detach()
        return batch_loss

    def gradients(self, inputs: np.ndarray, labels: np.ndarray) -> tuple[float, Weights]:
        loss, _, _ = self._differentiate(inputs, labels)
        found = {}
        for name in self.trainable_names():
            parameter = self.tensor(name)
            gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            found[name] = to_numpy(self.canonical(name, gradient))
            parameter.grad = None
        return loss.item(), found

    def apply_gradients(self, gradients: Weights, learning_rate: float) -> None:
        for name in self.trainable_names():
            parameter = self.tensor(name)
            parameter.grad = torch.empty_like(parameter)
            self.canonical(name, parameter.grad).copy_(torch.from_numpy(gradients[name].copy()))
        self.optimizer.step(learning_rate)
        self.constrain()

    def trace(self, inputs: np.ndarray, training: bool, observe: base.Observe) -> np.ndarray:
        with torch.no_grad(), self.observed(observe):
            return to_numpy(self.forward(self.to_device(inputs), training).to(self.dtype))

    def evaluate_step(self, inputs: np.ndarray, labels: np.ndarray) -> None:
        with torch.inference_mode():
            targets = torch.from_numpy(labels).to(DEVICE)
            logits = self.forward(self.to_device(inputs), training=False).to(self.dtype)
            self._add(self.loss(targets, logits) + self.penalty(), logits, targets)

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            logits: np.ndarray = self.forward(self.to_device(inputs), training=False).to(self.dtype).cpu().numpy()
        return logits

    def read_metrics(self) -> base.Metrics:
        loss_sum, correct, samples = self.sums.tolist()
        self.sums.zero_()
        return base.Metrics(loss_sum, int(correct), int(samples))

    def load_metrics(self, metrics: base.Metrics) -> None:
        self.sums.copy_(torch.tensor(metrics, dtype=torch.float64))

    def random_state(self) -> Weights:
        state = {**base.python_random_state(), "cpu": torch.get_rng_state().numpy()}
        return {**state, "cuda": torch.cuda.get_rng_state().numpy()} if DEVICE.type == "cuda" else state

    def load_random_state(self, state: Weights) -> None:
        base.load_python_random_state(state)
        torch.set_rng_state(torch.from_numpy(state["cpu"].copy()))
        if DEVICE.type == "cuda" and "cuda" in state:
            torch.cuda.set_rng_state(torch.from_numpy(state["cuda"].copy()))

    def optimizer_state(self) -> Weights:
        slots = {name: to_numpy(slot) for name, slot in self._slots().items()}
        return {**slots, "iterations": np.asarray(self.optimizer.iterations)}

    def load_optimizer_state(self, state: Weights) -> None:
        slots = self._slots()
        expected: dict[str, tuple[int, ...]] = {name: tuple(slot.shape) for name, slot in slots.items()}
        weights.require_match({**expected, "iterations": ()}, state, "The optimiser's slots")
        for name, slot in slots.items():
            slot.copy_(torch.from_numpy(state[name].copy()))
        self.optimizer.resume_at(int(state["iterations"]))

    def _slots(self) -> dict[str, torch.Tensor]:
        """Views of the optimiser's slots in canonical layouts."""
        names = self.trainable_names()
        return {
            f"{slot}/{name}": self.canonical(name, tensor)
            for slot, tensors in self.optimizer.slots.items()
            for name, tensor in zip(names, tensors, strict=True)
        }

    def _differentiate(self, inputs: np.ndarray, labels: np.ndarray) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Loss, logits and targets of a batch; the gradients are then in the parameters."""
        targets = torch.from_numpy(labels).to(DEVICE)
        outputs, penalty = self.training_pass(self.to_device(inputs))
        logits = outputs.to(self.dtype)
        loss = self.loss(targets, logits) + penalty
        loss.backward()
        return loss, logits, targets

    def to_device(self, inputs: np.ndarray) -> torch.Tensor:
        """Normalised inputs; they cross to the device in their own type, which is a quarter of the bytes for uint8."""
        scaled = torch.from_numpy(inputs).to(DEVICE).to(self.dtype, copy=True).mul_(self.scale)  # the caller's array stays
        return scaled if self.offset is None else scaled.add_(self.offset)

    def _choose_loss(self) -> Callable[[torch.Tensor, torch.Tensor], Any]:
        """Mean loss of (targets, logits): the model file's, or cross-entropy."""
        own = base.own_loss(self.module, self.spec)
        if own is not None:
            return lambda targets, logits: own(targets, logits).mean()
        smoothing = self.spec.label_smoothing
        return lambda targets, logits: torch.nn.functional.cross_entropy(logits, targets, label_smoothing=smoothing)

    def _add(self, loss: torch.Tensor, logits: torch.Tensor, targets: torch.Tensor) -> None:
        with torch.no_grad():
            correct = (logits.argmax(dim=1) == targets).sum()
            count = float(len(targets))
            self.sums += torch.stack((loss.detach() * count, correct, torch.full_like(correct, count))).to(self.sums.dtype)


def to_numpy(tensor: torch.Tensor) -> np.ndarray:
    """A copy in NumPy."""
    array: np.ndarray = tensor.detach().cpu().contiguous().numpy().copy()
    return array
