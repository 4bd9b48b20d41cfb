"""Faults around an update rule: which rate, which gradients, how often, and of which parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from unikeras.checking.plants import plant
from unikeras.checking.plants.patching import wrap


@plant(
    "learning-rate-never-drops",
    "The learning rate of the first update is kept for ever.",
    backend="native-torch",
    stage="optimizer",
    looks_like="learning rate does not drop",
)
def learning_rate_never_drops() -> None:
    """The rate is given to torch's optimiser when it is made, and nobody writes it into its parameter groups."""
    from unikeras.backends._torch_optimizers import Adam

    def update(original: Callable[..., None], self: Any, gradients: list[Any], learning_rate: float) -> None:
        self.first_rate = getattr(self, "first_rate", learning_rate)
        original(self, gradients, self.first_rate)

    wrap(Adam, "update", update)


@plant(
    "learning-rate-captured",
    "The compiled step keeps the learning rate of its first call.",
    backend="tensorflow",
    stage="steps",
    looks_like="learning rate does not drop",
)
def learning_rate_captured() -> None:
    """A Python number that a tf.function sees while it is traced becomes a constant of its graph."""
    from unikeras.backends._tensorflow import TensorFlowSteps

    def train_step(original: Callable[..., Any], self: Any, inputs: Any, labels: Any, learning_rate: float) -> Any:
        self.first_rate = getattr(self, "first_rate", learning_rate)
        return original(self, inputs, labels, self.first_rate)

    wrap(TensorFlowSteps, "train_step", train_step)


@plant(
    "update-applied-twice",
    "Each update is applied twice with the same gradients.",
    backend="native-torch",
    stage="optimizer",
    looks_like="twice",
)
def update_applied_twice() -> None:
    """`optimizer.step()` stands in the training step and in a helper that it calls."""
    from unikeras.backends._torch_optimizers import Optimizer

    def step(original: Callable[..., None], self: Any, learning_rate: float) -> None:
        gradients = [parameter.grad for parameter in self.parameters]
        original(self, learning_rate)
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            parameter.grad = gradient
        original(self, learning_rate)

    wrap(Optimizer, "step", step)


@plant(
    "gradients-accumulated",
    "The gradients of the step before are still there when the next ones are added.",
    backend="torch",
    stage="steps",
    looks_like="accumulated",
)
def gradients_accumulated() -> None:
    """No `zero_grad()`: the most frequent mistake in a torch training loop."""
    from unikeras.backends._torch_optimizers import Optimizer

    def step(original: Callable[..., None], self: Any, learning_rate: float) -> None:
        gradients = [parameter.grad for parameter in self.parameters]
        original(self, learning_rate)
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            parameter.grad = gradient

    wrap(Optimizer, "step", step)


@plant(
    "parameter-never-moves",
    "The first parameter is not updated, though it is trainable and has a gradient.",
    backend="native-torch",
    stage="optimizer",
    layer="conv1",
    looks_like="never moves",
)
def parameter_never_moves() -> None:
    """The optimiser was made from a list of parameters that a layer was missing in, or before that layer was replaced."""
    from unikeras.backends._torch_optimizers import Optimizer

    def step(original: Callable[..., None], self: Any, learning_rate: float) -> None:
        before = self.parameters[0].detach().clone()
        original(self, learning_rate)
        self.parameters[0].data.copy_(before)

    wrap(Optimizer, "step", step)
