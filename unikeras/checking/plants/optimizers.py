"""Faults in update rules and in what stands around them: clipping, decay, rates."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from unikeras.checking.plants import plant
from unikeras.checking.plants.patching import put, wrap
from unikeras.optimizers import OptimizerSpec, UpdateRule


@dataclasses.dataclass(frozen=True)
class OtherSpec(OptimizerSpec):
    """A spec whose rule is not the one of its name. The records in `RULES` stay, for the check computes with them."""

    other: UpdateRule

    @property
    def rule(self) -> UpdateRule:
        return self.other


def change_spec(steps: Any, change: Callable[[OptimizerSpec], OptimizerSpec]) -> None:
    """The optimisers that a backend makes get another spec.

    Args:
        steps: Module of the backend's steps.
    """
    wrap(steps, "make_optimizer", lambda original, spec, variables: original(change(spec), variables))


def change_constants(steps: Any, family: str, **constants: float) -> None:
    """The optimisers of a family get other constants."""

    def change(spec: OptimizerSpec) -> OptimizerSpec:
        rule = spec.rule
        if rule.family != family or not set(constants) <= set(rule.constants):
            return spec
        other = dataclasses.replace(rule, constants={**rule.constants, **constants})
        return OtherSpec(spec.name, spec.weight_decay, spec.clip_norm, other)

    change_spec(steps, change)


def instead_of(steps: Any, field: str, change: Callable[[Any, float, list[Any], Any], list[Any]]) -> None:
    """Puts `change` in the place of clipping or decay.

    Args:
        field: `clip_norm` or `weight_decay`.
        change: Gets the optimiser, the field's value, gradients and rate, and returns the gradients of the update.
    """

    def make_optimizer(original: Callable[..., Any], spec: OptimizerSpec, variables: list[Any]) -> Any:
        value = getattr(spec, field)
        if not value:
            return original(spec, variables)
        nothing: dict[str, Any] = {"clip_norm": None, "weight_decay": 0.0}
        optimizer = original(dataclasses.replace(spec, **{field: nothing[field]}), variables)
        update = optimizer.update
        optimizer.update = lambda gradients, rate: update(change(optimizer, value, gradients, rate), rate)
        return optimizer

    wrap(steps, "make_optimizer", make_optimizer)


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

    def update(self: Any, gradients: list[Any], learning_rate: float) -> None:
        group = self.fused.param_groups[0]
        group["lr"], group["eps"] = learning_rate, self.spec.rule.constants["epsilon"]
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            parameter.grad = gradient
        self.fused.step()

    put(Adam, "update", update)


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


@plant(
    "adamw-decay-0.01",
    "AdamW with torch's default decay, 0.01, where Keras has 0.004.",
    backend="native-torch",
    stage="steps",
    looks_like="weight decay 0.01",
    optimizer="adamw",
)
def adamw_default_decay() -> None:
    """`torch.optim.AdamW(parameters)` in the place of `keras.optimizers.AdamW()`; a decay that is given is kept."""
    from unikeras.backends import _torch

    def change(spec: OptimizerSpec) -> OptimizerSpec:
        return dataclasses.replace(spec, weight_decay=0.01) if spec.weight_decay == spec.rule.weight_decay != 0 else spec

    change_spec(_torch, change)


@plant(
    "rmsprop-epsilon-outside-root",
    "RMSprop divides by the root of the velocity plus epsilon, as torch does; Keras has epsilon inside the root.",
    backend="native-torch",
    stage="optimizer",
    looks_like="epsilon outside the root",
    optimizer="rmsprop",
)
def rmsprop_epsilon_outside() -> None:
    """`torch.optim.RMSprop` with Keras' constants."""
    import torch

    from unikeras.backends._torch_optimizers import RmsProp

    def update(self: Any, gradients: list[Any], learning_rate: float) -> None:
        constants, velocities = self.spec.rule.constants, self.slots["velocity"]
        torch._foreach_mul_(velocities, constants["rho"])
        torch._foreach_addcmul_(velocities, gradients, gradients, value=1 - constants["rho"])
        denominators = torch._foreach_sqrt(velocities)
        torch._foreach_add_(denominators, constants["epsilon"])
        torch._foreach_addcdiv_(self.parameters, gradients, denominators, value=-learning_rate)

    put(RmsProp, "update", update)


@plant(
    "rmsprop-rho-0.99",
    "RMSprop with torch's default alpha, 0.99, where Keras' rho is 0.9.",
    backend="torch",
    stage="optimizer",
    looks_like="rho 0.99",
    optimizer="rmsprop",
)
def rmsprop_rho() -> None:
    """The default of `torch.optim.RMSprop`."""
    from unikeras.backends import _torch

    change_constants(_torch, "rmsprop", rho=0.99)


@plant(
    "rmsprop-starts-at-ones",
    "RMSprop's velocity starts at one, not at zero, so that a run begins with small steps.",
    backend="native-tensorflow",
    stage="trajectory",
    optimizer="rmsprop",
)
def rmsprop_starts_at_ones() -> None:
    """As in `tf.compat.v1.train.RMSPropOptimizer`. Every update is right; only a real run starts from a backend's own slots."""
    import tensorflow as tf

    from unikeras.backends import _tensorflow

    def make_optimizer(original: Callable[..., Any], spec: OptimizerSpec, variables: list[Any]) -> Any:
        optimizer = original(spec, variables)
        if spec.rule.family == "rmsprop":
            for slot in optimizer.slots["velocity"]:
                slot.assign(tf.ones_like(slot))
        return optimizer

    wrap(_tensorflow, "make_optimizer", make_optimizer)


@plant(
    "momentum-without-rate",
    "Momentum in torch's convention: the velocity does not contain the learning rate, so that a drop of the rate acts at once.",
    backend="native-torch",
    stage="optimizer",
    looks_like="does not contain the learning rate",
    optimizer="momentum",
)
def momentum_without_rate() -> None:
    """`torch.optim.SGD(momentum=0.9)`: equal to Keras' at a constant rate."""
    import torch

    from unikeras.backends._torch_optimizers import Sgd

    def update(self: Any, gradients: list[Any], learning_rate: float) -> None:
        velocities = self.slots["momentum"]
        torch._foreach_mul_(velocities, self.spec.rule.constants["momentum"])
        torch._foreach_add_(velocities, gradients)
        torch._foreach_add_(self.parameters, velocities, alpha=-learning_rate)

    put(Sgd, "update", update)


@plant(
    "momentum-0.99",
    "Momentum of 0.99 instead of 0.9.",
    backend="tensorflow",
    stage="optimizer",
    looks_like="momentum 0.99",
    optimizer="momentum",
)
def momentum_constant() -> None:
    """A nine too many."""
    from unikeras.backends import _tensorflow

    change_constants(_tensorflow, "sgd", momentum=0.99)


@plant(
    "momentum-dampened",
    "The gradient enters the velocity times one minus momentum, as in a mean.",
    backend="torch",
    stage="optimizer",
    looks_like="dampened",
    optimizer="momentum",
)
def momentum_dampened() -> None:
    """`torch.optim.SGD(dampening=0.9)`, or Adam's first moment taken for momentum."""
    from unikeras.backends._torch_optimizers import Sgd

    def update(original: Callable[..., None], self: Any, gradients: list[Any], learning_rate: float) -> None:
        share = 1 - self.spec.rule.constants.get("momentum", 0.0)
        original(self, [share * gradient for gradient in gradients], learning_rate)

    wrap(Sgd, "update", update)


@plant(
    "nesterov-is-plain",
    "Nesterov's momentum is asked for, and plain momentum is what happens.",
    backend="native-tensorflow",
    stage="optimizer",
    looks_like="plain momentum",
    optimizer="nesterov",
)
def nesterov_is_plain() -> None:
    """The flag gets lost on the way to the optimiser."""
    from unikeras.backends import _tensorflow

    def change(spec: OptimizerSpec) -> OptimizerSpec:
        return dataclasses.replace(spec, name="momentum") if spec.name == "nesterov" else spec

    change_spec(_tensorflow, change)


@plant(
    "weight-decay-coupled",
    "Weight decay is added to the gradient (L2), so that Adam divides it by the root of the velocity.",
    backend="native-torch",
    stage="optimizer",
    looks_like="coupled",
    optimizer="adamw",
)
def weight_decay_coupled() -> None:
    """`torch.optim.Adam(weight_decay=…)` in the place of AdamW (Loshchilov & Hutter 2019)."""
    from unikeras.backends import _torch

    def decay(optimizer: Any, strength: float, gradients: list[Any], rate: float) -> list[Any]:
        return [g + strength * p for g, p in zip(gradients, optimizer.parameters, strict=True)]

    instead_of(_torch, "weight_decay", decay)


@plant(
    "weight-decay-skips-biases",
    "Biases and normalisation parameters don't decay.",
    backend="torch",
    stage="optimizer",
    looks_like="skips biases",
    optimizer="adamw",
)
def weight_decay_skips_biases() -> None:
    """Two parameter groups, as many torch recipes have them; Keras decays everything that isn't excluded by name."""
    from unikeras.backends import _torch

    def decay(optimizer: Any, strength: float, gradients: list[Any], rate: float) -> list[Any]:
        for parameter in optimizer.parameters:
            if parameter.ndim > 1:
                parameter.mul_(1 - rate * strength)
        return gradients

    instead_of(_torch, "weight_decay", decay)


@plant(
    "weight-decay-without-rate",
    "Weight decay is not multiplied by the learning rate.",
    backend="native-tensorflow",
    stage="optimizer",
    looks_like="not multiplied by the learning rate",
    optimizer="adamw",
)
def weight_decay_without_rate() -> None:
    """The AdamW paper writes it so, with a schedule factor of its own; `tfa.optimizers.AdamW` did."""
    from unikeras.backends import _tensorflow

    def decay(optimizer: Any, strength: float, gradients: list[Any], rate: Any) -> list[Any]:
        for variable in optimizer.variables:
            variable.assign(variable * (1 - strength))
        return gradients

    instead_of(_tensorflow, "weight_decay", decay)


@plant(
    "weight-decay-missing",
    "Weight decay has no effect.",
    backend="tensorflow",
    stage="optimizer",
    looks_like="decay is missing",
    optimizer="adamw",
)
def weight_decay_missing() -> None:
    """The option is read and never handed on."""
    from unikeras.backends import _tensorflow

    change_spec(_tensorflow, lambda spec: dataclasses.replace(spec, weight_decay=0.0))


@plant(
    "clipping-per-variable",
    "Each gradient is clipped to the norm by itself, not all together.",
    backend="native-torch",
    stage="optimizer",
    looks_like="per variable",
)
def clipping_per_variable() -> None:
    """Keras' `clipnorm` taken for its `global_clipnorm`, or `clip_grad_norm_` called in a loop over parameters."""
    from unikeras.backends import _torch

    def clip(optimizer: Any, limit: float, gradients: list[Any], rate: float) -> list[Any]:
        return [gradient * (limit / gradient.norm().clamp(min=limit)) for gradient in gradients]

    instead_of(_torch, "clip_norm", clip)


@plant(
    "clipping-by-value",
    "Gradients are clipped value by value, which changes their direction.",
    backend="torch",
    stage="optimizer",
    looks_like="by value",
)
def clipping_by_value() -> None:
    """`clip_grad_value_` in the place of `clip_grad_norm_`, `clipvalue` in that of `global_clipnorm`."""
    from unikeras.backends import _torch

    def clip(optimizer: Any, limit: float, gradients: list[Any], rate: float) -> list[Any]:
        return [gradient.clamp(-limit, limit) for gradient in gradients]

    instead_of(_torch, "clip_norm", clip)


@plant(
    "clipping-missing",
    "Gradients are not clipped.",
    backend="native-tensorflow",
    stage="optimizer",
    looks_like="clipping is missing",
)
def clipping_missing() -> None:
    """A hand-written training step takes the gradients of the tape as they are."""
    from unikeras.backends import _tensorflow

    change_spec(_tensorflow, lambda spec: dataclasses.replace(spec, clip_norm=None))


@plant(
    "clipping-adds-1e-6",
    "The norm that gradients are clipped by is too large by 1e-6.",
    backend="native-torch",
    stage="optimizer",
    looks_like="1e-6",
    dtype="float64",
)
def clipping_adds() -> None:
    """`torch.nn.utils.clip_grad_norm_` does that; nothing but float64 can show it."""
    import torch

    from unikeras.backends import _torch

    def clip(optimizer: Any, limit: float, gradients: list[Any], rate: float) -> list[Any]:
        norm = torch.linalg.vector_norm(torch.stack([gradient.norm() for gradient in gradients]))
        scale = (limit / (norm + 1e-6)).clamp(max=1.0)
        return [gradient * scale for gradient in gradients]

    instead_of(_torch, "clip_norm", clip)


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
