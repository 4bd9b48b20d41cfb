"""torch alone: an nn.Module, autocast, fused updates. Converts to canonical weights at its door."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from unikeras import model_files, weights
from unikeras.backends import _torch, base
from unikeras.backends._torch_bfloat16 import bfloat16_by_float32
from unikeras.errors import ModelError
from unikeras.weights import Weights

DEVICE = _torch.DEVICE


class Entry(NamedTuple):
    """A tensor of the module and the way to its canonical layout; `view` shares memory, so it serves both directions."""

    tensor: torch.Tensor
    view: Callable[[torch.Tensor], torch.Tensor]


def _same(tensor: torch.Tensor) -> torch.Tensor:
    return tensor


def _kernel_last(tensor: torch.Tensor) -> torch.Tensor:
    """out×in×space → space×in×out."""
    return tensor.permute(*range(2, tensor.ndim), 1, 0)


_NORM = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}
# Keras' names of a layer's tensors. Other modules keep torch's names.
_LEAVES: list[tuple[type[nn.Module] | tuple[type[nn.Module], ...], dict[str, str]]] = [
    ((nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear), {"weight": "kernel"}),
    ((nn.modules.batchnorm._BatchNorm, nn.LayerNorm, nn.GroupNorm), _NORM),
    (nn.Embedding, {"weight": "embeddings"}),
]


def canonical_entries(model: nn.Module) -> dict[str, Entry]:
    """Parameters and buffers of `model` by canonical name: the module's path, then Keras' name of the tensor."""
    entries: list[tuple[str, Entry]] = []
    for path, module in model.named_modules():
        leaves = next((leaves for classes, leaves in _LEAVES if isinstance(module, classes)), {})
        tensors = [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]
        for leaf, tensor in tensors:
            if leaf != "num_batches_tracked":  # torch's own count; Keras has none
                view = _kernel_last if leaves.get(leaf) == "kernel" else _same
                name = "/".join([*path.split("."), leaves.get(leaf, leaf)]).lstrip("/")
                entries.append((name, Entry(tensor, view)))
    names = weights.unique_names(name for name, _ in entries)
    return dict(zip(names, (entry for _, entry in entries), strict=True))


class Backend(_torch.TorchSteps):
    """An nn.Module of the model file beside the Keras one."""

    name = "native-torch"

    def build_model(self) -> None:
        self.module = model_files.load(self.spec.model_file)
        model = model_files.build(self.module, self.spec.input_shape, self.spec.num_classes)
        if not isinstance(model, nn.Module):
            raise ModelError(
                f"build in {self.spec.model_file} returned an object of type {type(model).__name__}.",
                cure="Return a torch.nn.Module.",
            )
        self.is_image = len(self.spec.input_shape) == 3
        # channels_last is the fast layout of convolutions, on CPUs too, and the one in which our batches come.
        layout = torch.channels_last if self.is_image else torch.preserve_format
        self.model = model.to(DEVICE, self.dtype, memory_format=layout)
        self._check_outputs()
        self.entries = canonical_entries(self.model)
        initializers: dict[str, str] = getattr(self.module, "initializers", {})
        self.load_weights(
            {
                name: weights.initial_value(self.spec.seed, name, tuple(view(tensor).shape), initializers.get(name))
                for name, (tensor, view) in self.entries.items()
            }
        )

    def forward(self, inputs: torch.Tensor, training: bool) -> torch.Tensor:
        if self.model.training != training:
            self.model.train(training)
        if self.is_image:
            inputs = inputs.permute(0, 3, 1, 2)
        with torch.autocast(DEVICE.type, torch.bfloat16, enabled=self.spec.mixed), bfloat16_by_float32(self.spec.mixed):
            logits: torch.Tensor = self.model(inputs)
        return logits

    def penalty(self) -> torch.Tensor | float:
        return 0.0

    def tensor(self, name: str) -> torch.Tensor:
        return self.entries[name].tensor

    def canonical(self, name: str, tensor: torch.Tensor) -> torch.Tensor:
        return self.entries[name].view(tensor)

    def weights(self) -> Weights:
        return {name: _torch.to_numpy(view(tensor)) for name, (tensor, view) in self.entries.items()}

    def load_weights(self, received: Weights) -> None:
        expected = {name: tuple(view(tensor).shape) for name, (tensor, view) in self.entries.items()}
        weights.require_match(expected, received, "The weights")
        for name, (tensor, view) in self.entries.items():
            view(tensor.data).copy_(torch.from_numpy(received[name].copy()))

    def trainable_names(self) -> list[str]:
        return [name for name, (tensor, _) in self.entries.items() if tensor.requires_grad]

    @contextlib.contextmanager
    def observed(self, observe: base.Observe) -> Iterator[None]:
        calls = Counter[str]()

        def before(path: str) -> Callable[..., Any]:
            def hook(_module: nn.Module, args: tuple[Any, ...]) -> Any:
                calls[path] += 1
                return (_shown(observe, f"{_call(path, calls[path])}:input", args[0]), *args[1:])

            return hook

        def after(path: str) -> Callable[..., Any]:
            def hook(_module: nn.Module, _args: tuple[Any, ...], output: Any) -> Any:
                return _shown(observe, f"{_call(path, calls[path])}:output", output)

            return hook

        handles = []
        for dotted, module in self.model.named_modules():
            if dotted:
                path = dotted.replace(".", "/")
                handles += [module.register_forward_pre_hook(before(path)), module.register_forward_hook(after(path))]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def disable_dropout(self) -> None:
        for module in self.model.modules():
            if isinstance(module, nn.modules.dropout._DropoutNd):
                module.p = 0.0

    def _check_outputs(self) -> None:
        sample = torch.zeros((2, *self.spec.input_shape), dtype=self.dtype, device=DEVICE)
        with torch.no_grad():
            outputs = model_files.run_user_code(
                self.spec.model_file, "failed on its first batch", lambda: self.forward(sample, training=False)
            )
        base.require_logits(tuple(outputs.shape), self.spec.num_classes, self.spec.model_file)
        self.gives_probabilities = base.are_probabilities(_torch.to_numpy(outputs.to(self.dtype)))


def _call(path: str, count: int) -> str:
    return path if count == 1 else f"{path}#{count}"


def _shown(observe: base.Observe, name: str, tensor: Any) -> Any:
    """The tensor, or what `observe` puts in its place; what is channels first here is channels last there."""
    if not isinstance(tensor, torch.Tensor) or not tensor.is_floating_point():
        return tensor
    turned = tensor.movedim(1, -1) if tensor.ndim > 3 else tensor
    array = _torch.to_numpy(turned if turned.dtype == torch.float64 else turned.float())
    replacement = observe(name, array)
    if replacement is None:
        return tensor
    new = torch.from_numpy(np.array(replacement)).to(tensor.device, tensor.dtype)
    return new.movedim(-1, 1) if tensor.ndim > 3 else new
