"""Mixed precision: layers compute in bfloat16 on every backend, and the logits come back in float32."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import pytest

INPUTS = {"shape": [18, 18, 3], "dtype": "uint8", "class_names": ["a", "b", "c"], "scale": 1 / 255, "offset": 0.0}
ROUNDOFF = 2.0**-9  # bfloat16 has eight bits
pytestmark = pytest.mark.each_backend


def make(backend: str, dtype: str) -> Any:
    from unikeras.factory import make_backend
    from unikeras.settings import Settings

    return make_backend(Settings(backend=backend, model="cnn", dtype=dtype), backend, INPUTS)


def batch() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (16, 18, 18, 3), dtype=np.uint8), rng.integers(0, 3, 16)


def is_bfloat16(values: np.ndarray) -> bool:
    return bool((np.asarray(values, np.float32).view(np.uint32) & 0xFFFF == 0).all())


@pytest.mark.parametrize("training", [False, True])
def test_layers_compute_in_bfloat16(backend: str, training: bool) -> None:
    seen: dict[str, np.ndarray] = {}

    def observe(name: str, values: np.ndarray) -> None:
        seen[name] = np.array(values)

    logits = make(backend, "mixed_bfloat16").trace(batch()[0], training, observe)
    for layer in ("conv1", "conv2", "dense1"):
        assert is_bfloat16(seen[f"{layer}:output"]), layer
        assert seen[f"{layer}:output"].any()
    assert logits.dtype == np.float32


def test_what_it_computes_is_float32_but_for_the_rounding(backend: str) -> None:
    mixed, exact = make(backend, "mixed_bfloat16"), make(backend, "float32")
    logits, expected = mixed.predict(batch()[0]), exact.predict(batch()[0])
    difference = np.abs(logits - expected).max() / np.abs(expected).max()
    assert 0 < difference < 16 * ROUNDOFF
    loss, gradients = mixed.gradients(*batch())
    expected_loss, expected_gradients = exact.gradients(*batch())
    assert loss == pytest.approx(expected_loss, rel=4 * ROUNDOFF)
    for name, gradient in gradients.items():
        scale = np.linalg.norm(expected_gradients[name])
        # A pooling that chooses another of two nearly equal pixels moves a gradient by more than rounding does.
        assert 0 < np.linalg.norm(gradient - expected_gradients[name]) < 0.2 * scale, name


@pytest.mark.parametrize("kernel", [(8, 4, 3, 3), (8, 4)])
def test_products_without_instructions_for_them_round_as_torch_does(backend: str, kernel: tuple[int, ...]) -> None:
    if backend != "native-torch":
        pytest.skip("about torch alone")
    import torch
    from torch.nn import functional

    from unikeras.backends._torch_bfloat16 import Bfloat16ByFloat32

    torch.manual_seed(0)
    product = functional.conv2d if len(kernel) == 4 else functional.linear
    inputs, weight = torch.randn(2, 4, *(9 for _ in kernel[2:])), torch.randn(kernel)
    results = []
    for mode in (Bfloat16ByFloat32(), contextlib.nullcontext()):
        operands = [tensor.bfloat16().requires_grad_() for tensor in (inputs, weight)]
        with mode:
            output = product(*operands)
        output.backward(torch.ones_like(output))
        results.append([output, *(operand.grad for operand in operands)])
    for own, theirs in zip(*results, strict=True):
        assert own is not None and theirs is not None and own.dtype == theirs.dtype == torch.bfloat16
        # torch's loops may add up in bfloat16, and then are the less exact ones.
        assert (own.float() - theirs.float()).abs().max() <= 4 * ROUNDOFF * theirs.float().abs().max()


def test_operands_are_rounded_before_they_are_multiplied(backend: str) -> None:
    if backend != "native-torch":
        pytest.skip("about torch alone")
    import torch
    from torch.nn import functional

    from unikeras.backends._torch_bfloat16 import Bfloat16ByFloat32

    inputs, weight = torch.tensor([[1 + 2.0**-9, 1.0]]), torch.tensor([[1.0, -1.0]])  # in bfloat16 the first is 1, too
    with torch.autocast("cpu", torch.bfloat16), Bfloat16ByFloat32():
        difference = functional.linear(inputs, weight)
    assert difference.dtype == torch.bfloat16
    assert difference.item() == 0
