"""Faults in weight decay and clipping."""

from __future__ import annotations

import dataclasses
from typing import Any

from unikeras.checking.plants import plant
from unikeras.checking.plants.changing_optimizers import change_spec, instead_of
from unikeras.optimizers import OptimizerSpec


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
