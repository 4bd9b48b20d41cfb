"""Keras on torch."""

from __future__ import annotations

import os

import torch

from unikeras.backends import _torch

os.environ["KERAS_TORCH_DEVICE"] = str(_torch.DEVICE)  # read when Keras is imported

from unikeras.backends._keras import KerasModel


class Backend(KerasModel, _torch.TorchSteps):
    """A Keras model and Keras' optimiser, stepped by torch's autograd."""

    name = "torch"

    def forward(self, inputs: torch.Tensor, training: bool) -> torch.Tensor:
        logits: torch.Tensor = self.model(inputs, training=training)
        return logits

    def penalty(self) -> torch.Tensor | float:
        return sum(self.model.losses)

    def update(self, loss: torch.Tensor, learning_rate: float) -> None:
        variables = self.model.trainable_variables
        parameters = [variable.value for variable in variables]
        gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
        self.optimizer.learning_rate = learning_rate
        with torch.no_grad():
            self.optimizer.apply(gradients, variables)
