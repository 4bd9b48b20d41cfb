"""Keras on torch."""

from __future__ import annotations

import os

import torch

from unikeras.backends import _torch

os.environ["KERAS_TORCH_DEVICE"] = str(_torch.DEVICE)  # read when Keras is imported

from keras.src.backend.common import dtypes as keras_dtypes
from keras.src.backend.torch import nn as keras_nn

from unikeras.backends._keras import KerasModel
from unikeras.backends._torch_bfloat16 import bfloat16_by_float32
from unikeras.backends._torch_capture import TrainingPass


class Backend(KerasModel, _torch.TorchSteps):
    """A Keras model, differentiated by torch's autograd and updated by torch's fused kernels."""

    name = "torch"

    def build_model(self) -> None:
        keep_channels_last()
        keep_float64()
        super().build_model()
        self.captured = TrainingPass(self.model, self.spec.mixed)

    def forward(self, inputs: torch.Tensor, training: bool) -> torch.Tensor:
        with bfloat16_by_float32(self.spec.mixed):
            logits: torch.Tensor = self.model(inputs, training=training)
        return logits

    def training_pass(self, inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | float]:
        with bfloat16_by_float32(self.spec.mixed):
            return self.captured(inputs)

    def penalty(self) -> torch.Tensor | float:
        return sum(self.model.losses)

    def constrain(self) -> None:
        with torch.no_grad():
            super().constrain()


def keep_channels_last() -> None:
    """Lets Keras' convolutions and poolings work on the memory layout that the data have.

    Keras 3.15 copies each of their inputs into channels-first memory. The permuted view of a channels-last tensor needs no copy:
    it is what torch calls channels_last, the layout in which its convolutions, poolings and their gradients are fastest. Newer
    versions of Keras no longer copy, so whether they do is asked of the function itself.
    """
    transpose = getattr(keras_nn, "_transpose_spatial_inputs", None)
    if transpose is _view_channels_first:
        return
    if transpose is not None and transpose(torch.zeros(1, 2, 2, 3)).is_contiguous():
        keras_nn._transpose_spatial_inputs = _view_channels_first
    else:
        print("unikeras: this version of Keras has no layout copies on torch; nothing to change")


def keep_float64() -> None:
    """Lets Keras' operations on float64 tensors give float64.

    Keras 3.15 has a table that makes float32 of it on every backend but TensorFlow, as JAX does; `keras.ops.matmul` and with it
    each Dense layer then multiplies in float32, whatever the model's dtype. Tensors of other types never meet the entry.
    """
    table = getattr(keras_dtypes, "BIT64_TO_BIT32_DTYPE", {})
    if table.get("float64") == "float32":
        table["float64"] = "float64"


def _view_channels_first(inputs: torch.Tensor) -> torch.Tensor:
    return inputs.movedim(-1, 1)
