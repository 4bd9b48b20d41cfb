"""What all contenders get: the same model, initial weights, data and constants."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from unikeras import backends, model_files
from unikeras.backends.base import ModelSpec
from unikeras.data.dataset import Dataset, Split
from unikeras.factory import describe_inputs, make_spec
from unikeras.settings import Settings


@dataclasses.dataclass(frozen=True)
class Workload:
    """A training that is to be timed.

    Attributes:
        settings: Model, batch size, optimiser, dtype, threads; `backend` is the one whose model file is used.
        data: Its training samples are trained on; evaluation is timed on them, too.
        folder: For files that a contender writes.
    """

    settings: Settings
    data: Dataset
    folder: Path

    @property
    def batch_size(self) -> int:
        return self.settings.batch_size

    @property
    def inputs(self) -> dict[str, Any]:
        """The samples' shape, type, classes and normalisation."""
        return describe_inputs(self.data, self.settings.normalize)

    @property
    def spec(self) -> ModelSpec:
        """What the model is built from."""
        info = backends.BACKENDS[self.settings.backend]
        path = model_files.framework_file(model_files.locate(self.settings.model), info.framework, info.uses_keras)
        return make_spec(self.settings, path, self.inputs)

    def normalized(self, split: Split) -> npt.NDArray[Any]:
        """All samples of a split as the model sees them, for those who keep them in memory so."""
        spec = self.spec
        dtype = np.dtype(spec.variable_dtype)
        samples: npt.NDArray[Any] = split.x * spec.scale.astype(dtype) + spec.offset.astype(dtype)
        return samples

    def first_batches(self, count: int) -> list[tuple[npt.NDArray[Any], npt.NDArray[np.int64]]]:
        """The first batches in the order of the data, on which all contenders must have the same losses."""
        slices = [slice(index * self.batch_size, (index + 1) * self.batch_size) for index in range(count)]
        return [(np.array(self.data.train.x[part]), np.array(self.data.train.y[part])) for part in slices]
