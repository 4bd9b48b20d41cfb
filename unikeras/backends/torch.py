"""Keras on torch."""

from __future__ import annotations

import os

import torch

from unikeras.backends import _torch

os.environ["KERAS_TORCH_DEVICE"] = str(_torch.DEVICE)  # read when Keras is imported

from keras.src.backend.torch import nn as keras_nn

from unikeras.backends._keras import KerasModel


class Backend(KerasModel, _torch.TorchSteps):
    """A Keras model, differentiated by torch's autograd and updated by torch's fused kernels."""

    name = "torch"

    def build_model(self) -> None:
        keep_channels_last()
        super().build_model()

    def forward(self, inputs: torch.Tensor, training: bool) -> torch.Tensor:
        logits: torch.Tensor = self.model(inputs, training=training)
        return logits

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
    if transpose is not None and transpose(torch.zeros(1, 2, 2, 3)).is_contiguous():
        keras_nn._transpose_spatial_inputs = lambda inputs: inputs.movedim(-1, 1)
    else:
        print("unikeras: this version of Keras has no layout copies on torch; nothing to change")
