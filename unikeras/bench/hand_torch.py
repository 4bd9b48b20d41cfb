"""The training loop that one writes by hand in torch, in the best of its usual forms.

Layout NCHW or channels_last, Adam by `foreach` or fused kernels, eager or `torch.compile`: they are tried for a moment with the
model and batch at hand, and the fastest form races. The images lie in memory as one uint8 tensor; a batch is gathered,
scaled and trained on, and loss and correct answers are summed up on the device, which is what unikeras reports, too.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn import functional

from unikeras import model_files, weights
from unikeras.backends import _torch
from unikeras.backends.native_torch import canonical_entries
from unikeras.bench.choosing import fastest
from unikeras.bench.contender import Contender
from unikeras.bench.turns import StepCounter
from unikeras.bench.workload import Workload
from unikeras.data.dataset import Split
from unikeras.errors import BackendError
from unikeras.events import Emit
from unikeras.layers.torch import BatchNorm2d
from unikeras.training import evaluation_batch_size

TRIALS = 15
DEVICE = _torch.DEVICE


class Form(NamedTuple):
    """How the loop is written."""

    layout: torch.memory_format
    fused: bool
    compiled: bool

    def __str__(self) -> str:
        layout = "channels_last" if self.layout == torch.channels_last else "NCHW"
        return f"{layout}, {'fused' if self.fused else 'foreach'}, {'torch.compile' if self.compiled else 'eager'}"


EAGER = [
    Form(*parts, compiled=False) for parts in itertools.product((torch.channels_last, torch.contiguous_format), (True, False))
]


class HandTorch(Contender):
    """A loop in torch."""

    def __init__(self, workload: Workload, emit: Emit) -> None:
        if workload.settings.optimizer not in ("adam", "adamw") or workload.settings.clip_norm:
            raise BackendError("The hand-written loop in torch has Adam, without clipping.", cure="Leave out `hand`.")
        self.workload = workload
        _torch.configure(workload.spec)
        self.is_image = len(workload.data.input_shape) == 3
        self.images, self.labels = tensors(workload.data.train)
        form = self.choose()
        self._begin(form)
        self.variant = str(form)

    def choose(self) -> Form:
        """The fastest form. Compiling takes long, so that it is tried with the better optimiser only, in both layouts."""
        eager = [form for form in EAGER if self.is_image or form.layout == torch.channels_last]
        best = fastest(eager, self._trial, TRIALS)
        layouts = {form.layout for form in eager}
        return fastest([best, *(Form(layout, best.fused, compiled=True) for layout in layouts)], self._trial, TRIALS)

    def step(self, inputs: Any, labels: Any) -> float:
        return float(self._step(torch.from_numpy(inputs).to(DEVICE), torch.from_numpy(labels).to(DEVICE)))

    def evaluate(self, split: Split) -> float:
        samples = (self.images, self.labels) if split is self.workload.data.train else self.test_samples
        self.model.eval()
        size = evaluation_batch_size(self.workload.batch_size)
        totals = torch.zeros(2, device=DEVICE)
        with torch.inference_mode():
            for images, labels in zip(*(part.split(size) for part in samples), strict=True):
                logits = self.forward(images)
                totals += torch.stack(
                    [functional.cross_entropy(logits, labels, reduction="sum"), (logits.argmax(1) == labels).sum()]
                )
        self.model.train()
        correct: float = totals.tolist()[1]
        return correct / len(split.y)

    @functools.cached_property
    def test_samples(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Images and labels; most races need none."""
        return tensors(self.workload.data.test)

    def wait(self) -> None:
        self.totals.tolist()

    def train(self, turns: StepCounter) -> None:
        while True:
            order = torch.randperm(len(self.labels), device=DEVICE)
            for indices in order.split(self.workload.batch_size):
                self._step(self.images[indices], self.labels[indices])
                turns.step_done(len(indices))

    def _step(self, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        logits = self.forward(images)
        loss = functional.cross_entropy(logits, labels)
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        with torch.no_grad():
            self.totals += torch.stack([loss.detach() * len(labels), (logits.argmax(1) == labels).sum()])
        return loss.detach()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits of uint8 images, channels last."""
        inputs = images.to(self.scale.dtype).mul_(self.scale)
        if self.workload.spec.offset.any():
            inputs += self.offset
        if self.is_image:
            inputs = inputs.permute(0, 3, 1, 2).contiguous(memory_format=self.form.layout)
        with torch.autocast(DEVICE.type, torch.bfloat16, enabled=self.workload.spec.mixed):
            logits: torch.Tensor = self.model(inputs)
        return logits.to(self.scale.dtype)

    def _begin(self, form: Form) -> None:
        """Anew: with the initial weights and empty slots."""
        spec, self.form = self.workload.spec, form
        dtype = getattr(torch, spec.variable_dtype)
        self.scale, self.offset = (torch.as_tensor(part, dtype=dtype, device=DEVICE) for part in (spec.scale, spec.offset))
        built = model_files.build(model_files.load(spec.model_file), spec.input_shape, spec.num_classes)
        for name, (tensor, view) in canonical_entries(built).items():
            view(tensor.data).copy_(torch.from_numpy(weights.initial_value(spec.seed, name, tuple(view(tensor).shape)).copy()))
        layout = form.layout if self.is_image else torch.preserve_format
        model = with_torch_norms(built).to(DEVICE, self.scale.dtype, memory_format=layout).train()
        # Keras adds ε to √v, torch to √(v/(1 − β₂ᵗ)): this is Keras' at the first step, so that the first losses can be compared.
        constants = spec.optimizer.rule.constants
        family = torch.optim.AdamW if spec.optimizer.weight_decay else torch.optim.Adam
        self.optimizer = family(
            model.parameters(),
            self.workload.settings.learning_rate,
            eps=constants["epsilon"] / (1 - constants["beta_2"]) ** 0.5,
            weight_decay=spec.optimizer.weight_decay,
            fused=form.fused,
            foreach=not form.fused,
        )
        self.model = torch.compile(model) if form.compiled else model
        self.totals = torch.zeros(2, device=DEVICE)

    def _trial(self, form: Form) -> Callable[[], object]:
        torch._dynamo.reset()
        self._begin(form)
        size = self.workload.batch_size
        return lambda: self._step(self.images[:size], self.labels[:size]).item()


def tensors(split: Split) -> tuple[torch.Tensor, torch.Tensor]:
    """Images and labels on the device."""
    return torch.from_numpy(split.x.copy()).to(DEVICE), torch.from_numpy(split.y.copy()).to(DEVICE)


def with_torch_norms(model: nn.Module) -> nn.Module:
    """The model with torch's own BatchNorm where the model file has the one with Keras' running variance."""
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, BatchNorm2d):
                norm = nn.BatchNorm2d(child.num_features, eps=child.eps, momentum=child.momentum)
                norm.load_state_dict(child.state_dict())
                setattr(module, name, norm)
    return model


def load(_backend: str) -> type[Contender]:
    """The contender; torch is imported with this module."""
    return HandTorch
