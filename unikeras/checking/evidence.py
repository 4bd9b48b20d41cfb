"""The folder in which the reference leaves what the other workers compare themselves with: what to do, and the right answers."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from unikeras import weights
from unikeras.data.dataset import Dataset, Split
from unikeras.data.order import epoch_order
from unikeras.errors import DataError
from unikeras.files import write_bytes
from unikeras.optimizers import Schedule
from unikeras.settings import Settings, validate
from unikeras.training import evaluation_batch_size
from unikeras.weights import Weights

BATCH = 32
INFERENCE_BATCH = 16
SMALL_BATCH = 4  # BatchNorm's variance conventions differ by n/(n − 1) of the values per channel
EVALUATED = 2 * evaluation_batch_size(BATCH) + 5  # the last piece is a smaller one
# First steps whose gradients are compared on their own, too: of a full batch, of a small one, and with smoothed labels. Each
# has a batch of its own, so that a decision that rounding changes shows in one of them alone.
GRADIENT_BATCHES = 3
SMOOTHED = "label smoothing"  # ends the name of its case
EPOCHS = 2  # of the trajectory: the order of the second epoch is another one


@dataclasses.dataclass(frozen=True)
class Evidence:
    """A folder of reference values.

    Attributes:
        folder: Where they are.
        settings: What is checked; `batch_size` and `epochs` are those of the trajectory.
        inputs: The model's inputs, as `factory.describe_inputs` gives them.
        dataset: Folder of the prepared dataset.
        steps: Number of teacher-forced steps.
        optimizers: Update rules to check.
    """

    folder: Path
    settings: Settings
    inputs: dict[str, Any]
    dataset: Path
    steps: int
    optimizers: tuple[str, ...]

    @staticmethod
    def read(folder: Path) -> Evidence:
        """What `write` left in the folder."""
        fields = json.loads((folder / "evidence.json").read_text(encoding="utf-8"))
        settings = validate(fields["settings"], {})
        return Evidence(folder, settings, fields["inputs"], Path(fields["dataset"]), fields["steps"], tuple(fields["optimizers"]))

    def write(self) -> None:
        """Leaves everything but the tensors in the folder."""
        fields = {
            "settings": self.settings.to_dict(),
            "inputs": self.inputs,
            "dataset": str(self.dataset),
            "steps": self.steps,
            "optimizers": self.optimizers,
        }
        write_bytes(self.folder / "evidence.json", json.dumps(fields).encode())

    def save(self, name: str, tensors: Weights) -> None:
        """Leaves tensors under a name."""
        weights.save(tensors, self.folder / f"{name}.safetensors")

    def load(self, name: str) -> Weights:
        """Tensors that were left under a name."""
        return weights.load(self.folder / f"{name}.safetensors")

    def save_json(self, name: str, content: Any) -> None:
        """Leaves JSON values under a name."""
        write_bytes(self.folder / f"{name}.json", json.dumps(content).encode())

    def load_json(self, name: str) -> Any:
        """JSON values that were left under a name."""
        return json.loads((self.folder / f"{name}.json").read_text(encoding="utf-8"))

    def with_changes(self, **changes: Any) -> Settings:
        """The settings with other values."""
        return dataclasses.replace(self.settings, **changes)

    def data(self) -> Dataset:
        """The dataset, cut to what the trajectory trains on and what is evaluated."""
        whole = Dataset.open(self.dataset)
        count = trajectory_samples(self.steps, len(whole.train.y))
        train = Split(whole.train.x[:count], whole.train.y[:count])
        test = Split(whole.test.x[:EVALUATED], whole.test.y[:EVALUATED])
        return dataclasses.replace(whole, train=train, test=test)

    def batches(self) -> list[np.ndarray]:
        """Indices of the training samples of each teacher-forced step: full batches, but the second has 4, the fourth is odd."""
        count = len(self.data().train.y)
        sizes = [SMALL_BATCH if step == 1 else BATCH - 3 if step == 3 else BATCH for step in range(self.steps)]
        rng = np.random.default_rng(self.settings.seed % 2**32)
        return [rng.choice(count, min(size, count), replace=False) for size in sizes]

    def gradient_step(self, case: str) -> int:
        """The teacher-forced step whose batch and weights a case of the stages of loss and gradients has."""
        sizes = [len(batch) for batch in self.batches()[:GRADIENT_BATCHES]]
        if case.endswith(SMOOTHED):
            return len(sizes) - 1
        plain = sizes[: GRADIENT_BATCHES - 1]
        return next((step for step, size in enumerate(plain) if case == f"batch of {size}"), 0)

    def rates(self) -> list[float]:
        """Learning rate of each teacher-forced step: it drops to a tenth in the middle."""
        return [self.settings.learning_rate * (1.0 if step < self.steps / 2 else 0.1) for step in range(self.steps)]

    def trajectory(self) -> list[tuple[np.ndarray, float]]:
        """Sample indices and learning rate of each step of a real training run, as they have to be."""
        count, size = len(self.data().train.y), self.settings.batch_size
        per_epoch = math.ceil(count / size)
        rate = Schedule(
            self.settings.schedule, self.settings.learning_rate, per_epoch * self.settings.epochs, self.settings.warmup_steps
        )
        plan: list[tuple[np.ndarray, float]] = []
        for epoch in range(1, self.settings.epochs + 1):
            order = epoch_order(self.settings.seed, epoch, count).astype(np.int64)
            for start in range(0, count, size):
                plan.append((order[start : start + size], rate(len(plan))))
        return plan


def trajectory_samples(steps: int, available: int) -> int:
    """Samples that give about `steps` steps in two epochs, the last batch of each a smaller one.

    Raises:
        DataError: the dataset is too small to be compared on.
    """
    if available < 2 * SMALL_BATCH:
        raise DataError(
            f"The dataset has {available} training samples; a check needs {2 * SMALL_BATCH} at least.", cure="Use a larger one."
        )
    wanted = (math.ceil(steps / EPOCHS) - 1) * BATCH + BATCH // 2 + 1
    return min(max(wanted, BATCH + 1), available)


def spread(initial: Weights, trainable: list[str], seed: int) -> Weights:
    """Weights at which no mistake hides: parameters that start constant, such as biases at zero, get values of their own."""
    return {name: _varied(name, value, name in trainable, seed) for name, value in initial.items()}


def _varied(name: str, value: np.ndarray, trainable: bool, seed: int) -> np.ndarray:
    value = value.astype(np.float32)
    if not value.size or not np.issubdtype(value.dtype, np.floating) or (value != value.flat[0]).any():
        return value
    rng = weights.generator(seed, f"check/{name}")
    if not trainable and value.flat[0] > 0:  # a variance
        return rng.uniform(0.5, 2.0, value.shape).astype(np.float32)
    return (value + 0.25 * rng.standard_normal(value.shape)).astype(np.float32)
