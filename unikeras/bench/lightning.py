"""Lightning's Trainer on the native torch model, with a DataLoader over images in memory: as its documentation shows it."""

from __future__ import annotations

from typing import Any

import lightning
import torch
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from unikeras.bench.contender import Contender
from unikeras.bench.hand_torch import Form, HandTorch
from unikeras.bench.turns import StepCounter


class Module(lightning.LightningModule):
    """The hand-written loop's model and optimiser, in Lightning's terms."""

    def __init__(self, loop: Lightning) -> None:
        super().__init__()
        self.loop, self.model = loop, loop.model  # as a submodule, so that Lightning knows its parameters

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], _index: int) -> torch.Tensor:
        images, labels = batch
        logits = self.loop.forward(images)
        loss = functional.cross_entropy(logits, labels)
        with torch.no_grad():
            self.loop.totals += torch.stack([loss.detach() * len(labels), (logits.argmax(1) == labels).sum()])
        return loss

    def configure_optimizers(self) -> Any:
        return self.loop.optimizer


class Turn(lightning.Callback):
    """Counts steps."""

    def __init__(self, turns: StepCounter) -> None:
        self.turns = turns

    def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Any, index: int) -> None:
        self.turns.step_done(len(batch[1]))


class Lightning(HandTorch):
    """A LightningModule in a Trainer. Its step for the first losses, and its evaluation, are those of the loop by hand."""

    def choose(self) -> Form:
        return Form(torch.channels_last, fused=True, compiled=False)

    def train(self, turns: StepCounter) -> None:
        trainer = lightning.Trainer(
            max_epochs=-1,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=[Turn(turns)],
        )
        data = TensorDataset(self.images, self.labels)
        trainer.fit(Module(self), DataLoader(data, self.workload.batch_size, shuffle=True))


def load(_backend: str) -> type[Contender]:
    """The contender; Lightning is imported with this module."""
    return Lightning
