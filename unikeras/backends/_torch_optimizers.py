"""Keras' update rules on torch, by its fused or multi-tensor kernels. The equations stand in `optimizers.RULES`."""

from __future__ import annotations

import abc

import torch

from unikeras.optimizers import OptimizerSpec


class Optimizer(abc.ABC):
    """An update of all `parameters` at once.

    Attributes:
        iterations: Updates so far.
        slots: State by Keras' slot name, one tensor a parameter.
    """

    def __init__(self, spec: OptimizerSpec, parameters: list[torch.Tensor]) -> None:
        self.spec = spec
        self.parameters = parameters
        self.iterations = 0
        self.slots = {slot: [torch.zeros_like(parameter) for parameter in parameters] for slot in spec.rule.slots}

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """Clips the parameters' gradients, decays, updates, and forgets the gradients."""
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in self.parameters]
        if self.spec.clip_norm is not None:
            # Keras divides by the larger of norm and limit, without torch's 1e-6; an infinite norm gives NaN in both.
            norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
            torch._foreach_mul_(gradients, self.spec.clip_norm / norm.clamp(min=self.spec.clip_norm))
        if self.spec.weight_decay:
            torch._foreach_mul_(self.parameters, 1 - learning_rate * self.spec.weight_decay)
        self.update(gradients, learning_rate)
        self.iterations += 1
        for parameter in self.parameters:
            parameter.grad = None

    def resume_at(self, iterations: int) -> None:
        """Goes on counting updates from a loaded number."""
        self.iterations = iterations

    @abc.abstractmethod
    def update(self, gradients: list[torch.Tensor], learning_rate: float) -> None:
        """The rule itself."""


class Sgd(Optimizer):
    """Gradient descent, with momentum or Nesterov's. Unlike torch's, the velocity contains the learning rate."""

    def update(self, gradients: list[torch.Tensor], learning_rate: float) -> None:
        momentum = self.spec.rule.constants.get("momentum")
        if momentum is None:
            torch._foreach_add_(self.parameters, gradients, alpha=-learning_rate)
            return
        velocities = self.slots["momentum"]
        torch._foreach_mul_(velocities, momentum)
        torch._foreach_add_(velocities, gradients, alpha=-learning_rate)
        if "nesterov" in self.spec.rule.constants:
            torch._foreach_add_(self.parameters, velocities, alpha=momentum)
            torch._foreach_add_(self.parameters, gradients, alpha=-learning_rate)
        else:
            torch._foreach_add_(self.parameters, velocities)


class Adam(Optimizer):
    """torch's fused kernel for Adam over our slots, without torch.optim, whose optimisers import torch's compiler (1.5 s)."""

    def __init__(self, spec: OptimizerSpec, parameters: list[torch.Tensor]) -> None:
        super().__init__(spec, parameters)
        self.steps = [torch.zeros((), dtype=torch.float32, device=parameter.device) for parameter in parameters]
        groups: dict[tuple[torch.device, torch.dtype], list[int]] = {}
        for index, parameter in enumerate(parameters):
            groups.setdefault((parameter.device, parameter.dtype), []).append(index)
        self.groups = list(groups.values())  # a call of the kernel takes tensors of one kind

    def epsilon(self) -> float:
        """What torch calls ε, which it adds to √(v/(1 − β₂ᵗ)) and Keras to √v: ε/√(1 − β₂ᵗ), another number at each step."""
        constants = self.spec.rule.constants
        return float(constants["epsilon"] / (1 - constants["beta_2"] ** (self.iterations + 1)) ** 0.5)

    def resume_at(self, iterations: int) -> None:
        super().resume_at(iterations)
        for step in self.steps:
            step.fill_(iterations)

    def update(self, gradients: list[torch.Tensor], learning_rate: float) -> None:
        constants = self.spec.rule.constants
        lists = (self.parameters, gradients, self.slots["momentum"], self.slots["velocity"], self.steps)
        torch._foreach_add_(self.steps, 1)
        for group in self.groups:
            parameters, own, momenta, velocities, steps = ([tensors[index] for index in group] for tensors in lists)
            torch._fused_adam_(
                parameters,
                own,
                momenta,
                velocities,
                [],
                steps,
                lr=learning_rate,
                beta1=constants["beta_1"],
                beta2=constants["beta_2"],
                weight_decay=0.0,
                eps=self.epsilon(),
                amsgrad=False,
                maximize=False,
            )


class RmsProp(Optimizer):
    """ε stands inside the root, where torch has it outside."""

    def update(self, gradients: list[torch.Tensor], learning_rate: float) -> None:
        rho, velocities = self.spec.rule.constants["rho"], self.slots["velocity"]
        torch._foreach_mul_(velocities, rho)
        torch._foreach_addcmul_(velocities, gradients, gradients, value=1 - rho)
        denominators = torch._foreach_add(velocities, self.spec.rule.constants["epsilon"])
        torch._foreach_sqrt_(denominators)
        torch._foreach_addcdiv_(self.parameters, gradients, denominators, value=-learning_rate)


def make_optimizer(spec: OptimizerSpec, parameters: list[torch.Tensor]) -> Optimizer:
    """The optimiser of a spec."""
    classes: dict[str, type[Optimizer]] = {"sgd": Sgd, "adam": Adam, "rmsprop": RmsProp}
    return classes[spec.rule.family](spec, parameters)
