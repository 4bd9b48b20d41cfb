"""Faults in Adam."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from unikeras.checking.plants import plant
from unikeras.checking.plants.changing_optimizers import change_constants
from unikeras.checking.plants.patching import put, wrap


@plant(
    "adam-epsilon-1e-8",
    "Adam with torch's default epsilon, 1e-8, where Keras has 1e-7.",
    backend="native-torch",
    stage="optimizer",
    looks_like="epsilon 1e-08",
)
def adam_epsilon() -> None:
    """`torch.optim.Adam(parameters)` in the place of `keras.optimizers.Adam()`."""
    from unikeras.backends import _torch

    change_constants(_torch, "adam", epsilon=1e-8)


@plant(
    "adam-epsilon-in-torchs-place",
    "Adam's epsilon is added to the root of the bias-corrected velocity, as in torch, not to that of the velocity.",
    backend="torch",
    stage="optimizer",
    looks_like="torch's place",
)
def adam_epsilon_place() -> None:
    """The constant is Keras' and the rule still isn't: torch's ε is worth √(1 − β₂ᵗ) of Keras', a thirtieth at the first step."""
    from unikeras.backends._torch_optimizers import Adam

    put(Adam, "epsilon", lambda self: self.spec.rule.constants["epsilon"])


@plant(
    "adam-epsilon-inside-root",
    "Adam divides by the root of velocity plus epsilon, as RMSprop does in Keras.",
    backend="native-tensorflow",
    stage="optimizer",
    looks_like="epsilon inside the root",
)
def adam_epsilon_inside() -> None:
    """Found in hand-written optimisers: √(v + ε) for √v + ε."""
    import tensorflow as tf

    from unikeras.backends._tensorflow_optimizers import Adam

    def update(self: Any, gradients: list[Any], learning_rate: Any) -> None:
        beta_1, beta_2, epsilon = (self.spec.rule.constants[name] for name in ("beta_1", "beta_2", "epsilon"))
        count = tf.cast(self.iterations + 1, learning_rate.dtype)
        alpha = learning_rate * tf.sqrt(1 - beta_2**count) / (1 - beta_1**count)
        for variable, m, v, gradient in zip(
            self.variables, self.slots["momentum"], self.slots["velocity"], gradients, strict=True
        ):
            m.assign_add((gradient - m) * (1 - beta_1))
            v.assign_add((tf.square(gradient) - v) * (1 - beta_2))
            variable.assign_sub(m * alpha / tf.sqrt(v + epsilon))

    put(Adam, "update", update)


def correct_bias_of(count: Callable[[Any], Any]) -> None:
    """TensorFlow's Adam corrects the bias for another number of earlier updates than there were."""
    from unikeras.backends._tensorflow_optimizers import Adam

    def update(original: Callable[..., None], self: Any, gradients: list[Any], learning_rate: Any) -> None:
        iterations, self.iterations = self.iterations, count(self.iterations)
        original(self, gradients, learning_rate)
        self.iterations = iterations

    wrap(Adam, "update", update)


@plant(
    "adam-no-bias-correction",
    "Adam without the correction of the bias towards its empty slots.",
    backend="native-tensorflow",
    stage="optimizer",
    looks_like="no bias correction",
)
def adam_no_bias_correction() -> None:
    """As BERT's AdamWeightDecayOptimizer, and `correct_bias=False` of the transformers library's old AdamW."""
    import tensorflow as tf

    correct_bias_of(lambda iterations: tf.constant(10**6, tf.int64))  # βᵗ is zero there


@plant(
    "adam-bias-correction-late",
    "Adam's bias correction counts one update less than there were.",
    backend="tensorflow",
    stage="optimizer",
    looks_like="one step late",
)
def adam_bias_correction_late() -> None:
    """The count is raised after the update, and a guard against dividing by zero hides it at the first step."""
    import tensorflow as tf

    def late(iterations: Any) -> Any:
        return tf.maximum(iterations - 1, 0)

    correct_bias_of(late)


@plant(
    "adam-beta-2-0.99",
    "Adam's second moment forgets ten times as fast: beta_2 is 0.99, not 0.999.",
    backend="tensorflow",
    stage="optimizer",
    looks_like="beta_2 0.99",
)
def adam_beta_2() -> None:
    """Copied from a recipe for GANs or large models."""
    from unikeras.backends import _tensorflow

    change_constants(_tensorflow, "adam", beta_2=0.99)
