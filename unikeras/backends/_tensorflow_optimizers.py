"""Keras' update rules on TensorFlow, operation by operation as Keras writes them. The equations stand in `optimizers.RULES`.

In float32 the results are those of Keras' own optimisers to the bit. TensorFlow's fused kernels (ResourceApplyAdam and others)
are not faster here, and round 1 − β₂ to float32, which shifts v by 1.3e-5.
"""

from __future__ import annotations

import abc

import tensorflow as tf

from unikeras.optimizers import OptimizerSpec


class Optimizer(abc.ABC):
    """An update of all `variables`, to be traced into a step's graph.

    Attributes:
        iterations: Updates so far, an int64 variable.
        slots: State by Keras' slot name, one variable a parameter.
    """

    def __init__(self, spec: OptimizerSpec, variables: list[tf.Variable]) -> None:
        self.spec = spec
        self.variables = variables
        self.iterations = tf.Variable(0, dtype=tf.int64, trainable=False)
        self.slots = {
            slot: [tf.Variable(tf.zeros_like(variable), trainable=False) for variable in variables] for slot in spec.rule.slots
        }

    def step(self, gradients: list[tf.Tensor], learning_rate: tf.Tensor) -> None:
        """Clips, decays and updates."""
        if self.spec.clip_norm is not None:
            norm = tf.sqrt(tf.add_n([tf.reduce_sum(tf.square(gradient)) for gradient in gradients]))
            scale = self.spec.clip_norm * tf.minimum(1 / norm, 1 / self.spec.clip_norm)
            gradients = [
                gradient * (scale + (norm - norm)) for gradient in gradients
            ]  # NaN, as in Keras, if the norm is infinite
        if self.spec.weight_decay:
            for variable in self.variables:
                variable.assign(variable - variable * self.spec.weight_decay * learning_rate)
        self.update(gradients, learning_rate)
        self.iterations.assign_add(1)

    @abc.abstractmethod
    def update(self, gradients: list[tf.Tensor], learning_rate: tf.Tensor) -> None:
        """The rule itself."""


class Sgd(Optimizer):
    """Gradient descent, with momentum or Nesterov's."""

    def update(self, gradients: list[tf.Tensor], learning_rate: tf.Tensor) -> None:
        momentum = self.spec.rule.constants.get("momentum")
        if momentum is None:
            for variable, gradient in zip(self.variables, gradients, strict=True):
                variable.assign_sub(gradient * learning_rate)
            return
        for variable, velocity, gradient in zip(self.variables, self.slots["momentum"], gradients, strict=True):
            velocity.assign(velocity * momentum - gradient * learning_rate)
            nesterov = "nesterov" in self.spec.rule.constants
            variable.assign_add(velocity * momentum - gradient * learning_rate if nesterov else velocity)


class Adam(Optimizer):
    """The bias correction is folded into the rate, and ε stands beside √v."""

    def update(self, gradients: list[tf.Tensor], learning_rate: tf.Tensor) -> None:
        beta_1, beta_2, epsilon = (self.spec.rule.constants[name] for name in ("beta_1", "beta_2", "epsilon"))
        count = tf.cast(self.iterations + 1, learning_rate.dtype)
        power_1, power_2 = (tf.constant(beta, learning_rate.dtype) ** count for beta in (beta_1, beta_2))
        alpha = learning_rate * tf.sqrt(1 - power_2) / (1 - power_1)
        slots = zip(self.variables, self.slots["momentum"], self.slots["velocity"], gradients, strict=True)
        for variable, m, v, gradient in slots:
            m.assign_add((gradient - m) * (1 - beta_1))
            v.assign_add((tf.square(gradient) - v) * (1 - beta_2))
            variable.assign_sub(m * alpha / (tf.sqrt(v) + epsilon))


class RmsProp(Optimizer):
    """ε stands inside the root."""

    def update(self, gradients: list[tf.Tensor], learning_rate: tf.Tensor) -> None:
        rho, epsilon = self.spec.rule.constants["rho"], self.spec.rule.constants["epsilon"]
        for variable, velocity, gradient in zip(self.variables, self.slots["velocity"], gradients, strict=True):
            velocity.assign(rho * velocity + (1 - rho) * tf.square(gradient))
            variable.assign_sub(learning_rate * gradient / tf.sqrt(velocity + epsilon))


def make_optimizer(spec: OptimizerSpec, variables: list[tf.Variable]) -> Optimizer:
    """The optimiser of a spec."""
    classes: dict[str, type[Optimizer]] = {"sgd": Sgd, "adam": Adam, "rmsprop": RmsProp}
    return classes[spec.rule.family](spec, variables)
