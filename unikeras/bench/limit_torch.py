"""What torch reaches alone: products at their shapes, in each layout, and memory."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional

from unikeras.backends import _torch
from unikeras.backends.base import ModelSpec
from unikeras.bench.limit import STREAM_BYTES, Times, stream_rate
from unikeras.bench.work import Product

DEVICE = _torch.DEVICE
LAYOUTS = (torch.channels_last, torch.contiguous_format)


def configure(spec: ModelSpec) -> None:
    """Threads, and float32 that means float32, as in a training."""
    _torch.configure(spec)


def bandwidth() -> float:
    """Bytes a second: the better of a copy and of a ← a + b in place, which move two and three arrays."""
    a, b = (torch.ones(STREAM_BYTES // 4, device=DEVICE) for _ in range(2))

    def copy() -> None:
        a.copy_(b)
        _wait()

    def add() -> None:
        a.add_(b)
        _wait()

    return max(stream_rate(copy, 2 * STREAM_BYTES), stream_rate(add, 3 * STREAM_BYTES))


def ways(product: Product, batch_size: int, dtype: str) -> list[Times]:
    """A product and its gradients: a convolution in channels_last and in NCHW."""
    number = getattr(torch, dtype)
    if product.kind == "dense":
        kernel = torch.randn(product.kernel[::-1], dtype=number, device=DEVICE)
        inputs = torch.randn((batch_size, *product.inputs), dtype=number, device=DEVICE)
        return [_times(product, inputs, kernel, functional.linear)]
    return [_convolution(product, batch_size, number, layout) for layout in LAYOUTS]


def _convolution(product: Product, batch_size: int, number: torch.dtype, layout: torch.memory_format) -> Times:
    """Where padding isn't the same on both sides, the inputs are padded beforehand: the convolution alone is measured."""
    height, width, channels = product.inputs
    totals = [_padding(product, axis) for axis in (0, 1)]
    padding = [0 if any(total % 2 for total in totals) else total // 2 for total in totals]
    shape = (batch_size, channels, *(n + total - 2 * p for n, total, p in zip((height, width), totals, padding, strict=True)))
    *window, within, filters = product.kernel
    if product.kind == "depthwise":
        within, filters = 1, within * filters
    inputs = torch.randn(shape, dtype=number, device=DEVICE).to(memory_format=layout)
    kernel = torch.randn((filters, within, *window), dtype=number, device=DEVICE).to(memory_format=layout)
    options = {"stride": product.strides, "padding": padding, "dilation": product.dilation, "groups": channels // within}
    return _times(product, inputs, kernel, functional.conv2d, **options)


def _padding(product: Product, axis: int) -> int:
    """Rows or columns that Keras' `same` adds in all."""
    if product.padding == "valid":
        return 0
    field = (product.kernel[axis] - 1) * product.dilation[axis] + 1
    return max((product.outputs[axis] - 1) * product.strides[axis] + field - product.inputs[axis], 0)


def _times(product: Product, inputs: torch.Tensor, kernel: torch.Tensor, multiply: Any, **options: Any) -> Times:
    inputs.requires_grad_(product.by_inputs)
    kernel.requires_grad_(product.by_kernel)
    wanted = [tensor for tensor in (inputs, kernel) if tensor.requires_grad]
    gradient = torch.randn_like(multiply(inputs, kernel, **options))

    def run(times: int) -> None:
        for _ in range(times):
            outputs = multiply(inputs, kernel, **options)
            if wanted:
                torch.autograd.grad(outputs, wanted, gradient)
        _wait()

    return run


def _wait() -> None:
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()
