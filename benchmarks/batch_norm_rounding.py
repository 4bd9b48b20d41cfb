"""How exact torch's BatchNorm is in float32 on this CPU, by memory layout: errors of output, mean and variance in units of 2⁻²⁴.

Run it by `.venv/bin/python benchmarks/batch_norm_rounding.py`.
"""

from __future__ import annotations

import torch
from torch.nn import functional

SHAPE = (32, 8, 16, 16)  # 8,192 values a channel


def batch_norm(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Output, and the batch's mean and variance, which torch writes out with momentum 1."""
    mean, variance = torch.zeros(SHAPE[1], dtype=x.dtype), torch.zeros(SHAPE[1], dtype=x.dtype)
    output = functional.batch_norm(x, mean, variance, None, None, True, 1.0, 1e-3)
    return output.double(), mean.double(), variance.double()


def main() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    x = torch.relu(torch.randn(SHAPE) + 0.3)
    exact = batch_norm(x.double())
    for name, layout in (("contiguous", torch.contiguous_format), ("channels_last", torch.channels_last)):
        found = batch_norm(x.contiguous(memory_format=layout))
        errors = [float((a - b).abs().max() / b.abs().max() * 2**24) for a, b in zip(found, exact, strict=True)]
        print(f"{name:14} output {errors[0]:6.1f}  mean {errors[1]:6.1f}  variance {errors[2]:6.1f}")


if __name__ == "__main__":
    main()
