"""Keras' update rules on TensorFlow, by its fused kernels. The equations stand in `optimizers.RULES`."""

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
            gradients, _ = tf.clip_by_global_norm(gradients, self.spec.clip_norm)
        if self.spec.weight_decay:
            for variable in self.variables:
                variable.assign_sub(variable * (learning_rate * self.spec.weight_decay))
        self.update(gradients, learning_rate)
        self.iterations.assign_add(1)

    @abc.abstractmethod
    def update(self, gradients: list[tf.Tensor], learning_rate: tf.Tensor) -> None:
        """The rule itself."""

    def constant(self, name: str, like: tf.Tensor) -> tf.Tensor:
        """A constant of the rule in the type of `like`."""
        return tf.constant(self.spec.rule.constants[name], like.dtype)


class Sgd(Optimizer):
    """Gradient descent, with momentum or Nesterov's."""

    def update(self, gradients: list[tf.Tensor], learning_rate: tf.Tensor) -> None:
        if "momentum" not in self.spec.rule.constants:
            for variable, gradient in zip(self.variables, gradients, strict=True):
                tf.raw_ops.ResourceApplyGradientDescent(var=variable.handle, alpha=learning_rate, delta=gradient)
            return
        for variable, velocity, gradient in zip(self.variables, self.slots["momentum"], gradients, strict=True):
            tf.raw_ops.ResourceApplyKerasMomentum(
                var=variable.handle,
                accum=velocity.handle,
                lr=learning_rate,
                grad=gradient,
                momentum=self.constant("momentum", gradient),
                use_nesterov="nesterov" in self.spec.rule.constants,
            )


class Adam(Optimizer):
    """TensorFlow's kernel has Keras' form, with ε beside √v."""

    def update(self, gradients: list[tf.Tensor], learning_rate: tf.Tensor) -> None:
        count = tf.cast(self.iterations + 1, learning_rate.dtype)
        powers = [self.constant(name, learning_rate) ** count for name in ("beta_1", "beta_2")]
        slots = zip(self.variables, self.slots["momentum"], self.slots["velocity"], gradients, strict=True)
        for variable, m, v, gradient in slots:
            tf.raw_ops.ResourceApplyAdam(
                var=variable.handle,
                m=m.handle,
                v=v.handle,
                beta1_power=powers[0],
                beta2_power=powers[1],
                lr=learning_rate,
                beta1=self.constant("beta_1", gradient),
                beta2=self.constant("beta_2", gradient),
                epsilon=self.constant("epsilon", gradient),
                grad=gradient,
            )


class RmsProp(Optimizer):
    """TensorFlow's kernel has ε inside the root, as Keras has; its momentum is unused and stays zero."""

    def __init__(self, spec: OptimizerSpec, variables: list[tf.Variable]) -> None:
        super().__init__(spec, variables)
        self.unused = [tf.Variable(tf.zeros_like(variable), trainable=False) for variable in variables]

    def update(self, gradients: list[tf.Tensor], learning_rate: tf.Tensor) -> None:
        slots = zip(self.variables, self.slots["velocity"], self.unused, gradients, strict=True)
        for variable, velocity, unused, gradient in slots:
            tf.raw_ops.ResourceApplyRMSProp(
                var=variable.handle,
                ms=velocity.handle,
                mom=unused.handle,
                lr=learning_rate,
                rho=self.constant("rho", gradient),
                momentum=tf.zeros((), gradient.dtype),
                epsilon=self.constant("epsilon", gradient),
                grad=gradient,
            )


def make_optimizer(spec: OptimizerSpec, variables: list[tf.Variable]) -> Optimizer:
    """The optimiser of a spec."""
    classes: dict[str, type[Optimizer]] = {"sgd": Sgd, "adam": Adam, "rmsprop": RmsProp}
    return classes[spec.rule.family](spec, variables)
