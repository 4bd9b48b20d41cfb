"""bfloat16 products on processors that have none: by float32, to the same rounding, instead of torch's unoptimised loops."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

PRODUCTS = frozenset(
    {
        *(functional.conv1d, functional.conv2d, functional.conv3d, functional.linear),
        *(torch.conv1d, torch.conv2d, torch.conv3d, torch.matmul, torch.Tensor.matmul, torch.Tensor.__matmul__),
    }
)


def bfloat16_by_float32(mixed: bool) -> contextlib.AbstractContextManager[Any]:
    """While it lasts, convolutions and matrix products of a mixed-precision model run at the speed that this processor has.

    Without bfloat16 instructions oneDNN refuses them, and torch's own loops take six to eight times as long as in float32. A
    product of two bfloat16 numbers is exact in float32, and float32 is what processors with such instructions sum up in: rounded
    once at the end, the result is theirs. Gradients are rounded alike, for they pass through the same conversions.
    """
    return Bfloat16ByFloat32() if mixed and not _has_bfloat16() else contextlib.nullcontext()


class Bfloat16ByFloat32(TorchFunctionMode):
    """Rounds the operands to bfloat16, computes in float32, and rounds the result."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func not in PRODUCTS or not _in_bfloat16(args[0]):
            return func(*args, **kwargs)
        with torch.autocast("cpu", enabled=False):
            widened = {name: _widened(value) for name, value in kwargs.items()}
            return func(*map(_widened, args), **widened).bfloat16()


def _has_bfloat16() -> bool:
    if torch.cuda.is_available():
        return True
    asked = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    return bool(asked()) if asked else False


def _in_bfloat16(operand: torch.Tensor) -> bool:
    """Whether the product would be taken in bfloat16: by its type, or by autocast."""
    by_autocast = operand.dtype == torch.float32 and bool(torch.is_autocast_enabled("cpu"))
    return bool(operand.dtype == torch.bfloat16) or by_autocast


def _widened(value: Any) -> Any:
    """A bfloat16 value in float32."""
    if not isinstance(value, torch.Tensor) or not value.is_floating_point():
        return value
    return value.bfloat16().float()
