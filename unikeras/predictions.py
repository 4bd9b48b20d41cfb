"""What a finished run predicts for its test images: computed once by a worker, kept in its folder, read without a framework."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import safetensors
import safetensors.numpy

from unikeras import run
from unikeras.errors import RunError
from unikeras.files import sha256, write_bytes
from unikeras.run import Run

TENSORS = ("labels", "predicted", "confidence")


@dataclasses.dataclass(frozen=True)
class Predictions:
    """One entry per test image, in the order of the dataset's test split.

    Attributes:
        labels: [count] int64, the true classes.
        predicted: [count] int64, the most probable classes.
        confidence: [count] float32, the probabilities of the predicted classes, in [0, 1].
    """

    labels: np.ndarray
    predicted: np.ndarray
    confidence: np.ndarray

    @property
    def correct(self) -> np.ndarray:
        """[count] bool."""
        right: np.ndarray = self.labels == self.predicted
        return right


def probabilities(logits: np.ndarray) -> np.ndarray:
    """Softmax of …×num_classes logits, in float64."""
    powers = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True))
    shares: np.ndarray = powers / powers.sum(axis=-1, keepdims=True)
    return shares


def of_logits(labels: np.ndarray, logits: np.ndarray) -> Predictions:
    """Predictions from B×num_classes logits; the first of several equal logits counts, as in the accuracy."""
    predicted = logits.argmax(axis=1)
    confidence = probabilities(logits)[np.arange(len(logits)), predicted]
    return Predictions(labels.astype(np.int64), predicted.astype(np.int64), confidence.astype(np.float32))


def joined(parts: list[Predictions]) -> Predictions:
    """One for all images from those of its batches."""
    return Predictions(*(np.concatenate([getattr(part, name) for part in parts]) for name in TENSORS))


def save(finished: Run, data_hash: str, predictions: Predictions) -> None:
    """Keeps them in the run folder, with the hashes of the weights and the data that they belong to.

    Raises:
        RunError: the folder can't be written.
    """
    tensors = {name: getattr(predictions, name) for name in TENSORS}
    path = finished.path / run.PREDICTIONS
    try:
        write_bytes(path, safetensors.numpy.save(tensors, _belonging(finished, data_hash)))
    except OSError as error:
        raise RunError(f"{path} can't be written: {error.strerror}.", cure="Make the run's folder writable.") from None


def load(finished: Run, data_hash: str) -> Predictions | None:
    """Those kept in the run folder; None if there are none, or those of other weights or data, or the file is damaged."""
    try:
        with safetensors.safe_open(finished.path / run.PREDICTIONS, framework="numpy") as file:
            if file.metadata() != _belonging(finished, data_hash):
                return None
            return Predictions(*(file.get_tensor(name) for name in TENSORS))
    except (OSError, safetensors.SafetensorError):
        return None


def _belonging(finished: Run, data_hash: str) -> dict[str, str]:
    """What the predictions depend on."""
    return {"weights": _hash_of(finished.path / run.WEIGHTS), "data": data_hash}


def _hash_of(path: Path) -> str:
    try:
        return sha256(path)
    except OSError as error:
        raise RunError(f"{path} can't be read: {error.strerror}.", cure=run.DAMAGED) from None
