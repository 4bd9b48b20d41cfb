"""The run folder: every file name in it, writing whole files or none, and reading back without any framework."""

from __future__ import annotations

import datetime
import functools
import itertools
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unikeras import provenance, shapes, yaml_file
from unikeras.errors import RunError
from unikeras.files import sha256, write_bytes
from unikeras.settings import FIELDS, Settings, validate

if TYPE_CHECKING:
    from unikeras.weights import Weights

CONFIG = "config.yaml"  # all settings; `unikeras train --config` repeats the run with it
PROVENANCE = "run.json"  # versions, device, data hash: what the settings don't say
METRICS = "metrics.jsonl"  # a row per logged step and per epoch
WEIGHTS = "weights.safetensors"  # canonical
KERAS_MODEL = "model.keras"  # only from Keras backends
PREDICTIONS = "predictions.safetensors"  # for the test images; made when first asked for
RESULT = "result.json"  # written last: its presence means that the run is complete
CHECKPOINTS = "checkpoints"  # a folder per checkpoint; `checkpoint.py` says what is in it
DIVERGENCE = "divergence.json"  # where the loss stopped being a number, with the batch; only if it did
TENSORBOARD = "tensorboard"  # event files, with --tensorboard
MLFLOW = "mlflow.json"  # which MLflow run it is, with --mlflow
LOCK = ".lock"  # locked as long as a process works on the run; its time is that of the last sign of life
LOG = "worker.log"  # what the framework printed

FORMAT = 1  # of the folder; run.json says it, and a higher number means a newer unikeras
PROVENANCE_SHAPE = {
    "format": int,
    "versions": dict,
    "backend": str,
    "data_hash": str,
    "model_hash": str,
    "initial_weights": str,
    "inputs": {"shape": [int], "dtype": str, "class_names": [str], "scale": (float, [float]), "offset": (float, [float])},
    "history": [{"backend": str, "model_file_hash": str}],
}
FIGURES = ("train_loss", "test_loss", "test_accuracy", "images_per_second", "train_seconds", "startup_seconds", "peak_memory_mb")
RESULT_SHAPE = {"backend": str, "run": str, "epochs": int, "steps": int, **dict.fromkeys(FIGURES, float), "weights_sha256": str}
DAMAGED = "Restore the file from a copy, or train again with another --output."


class Run:
    """A finished training run, read from its folder.

    Attributes:
        path: The folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    @functools.cached_property
    def settings(self) -> Settings:
        """The settings it was trained with."""
        path = self.path / CONFIG
        try:
            values = yaml_file.read(path)
        except OSError as error:
            raise RunError(f"{path} can't be read: {error.strerror}.", cure=DAMAGED) from None
        except ValueError as error:
            raise RunError(f"{error}.", cure=DAMAGED) from None
        if not isinstance(values, dict):
            raise RunError(f"{path} is damaged: it holds no settings.", cure=DAMAGED)
        unknown = [str(name) for name in values if name not in FIELDS]
        if unknown:
            raise RunError(f"{path} has settings that are unknown here: {', '.join(unknown[:5])}.", cure=self._newer())
        missing = [name for name in FIELDS if name not in values and name != "output"]
        if missing:
            raise RunError(f"{path} is damaged: it lacks {', '.join(missing[:5])}.", cure=DAMAGED)
        return validate(values, {name: f"{name} in {path}" for name in values})

    @functools.cached_property
    def result(self) -> dict[str, Any]:
        """Final figures: backend, run, epochs, steps, train_loss, test_loss, test_accuracy (0 to 1), images_per_second, …"""
        return read_json(self.path / RESULT, RESULT_SHAPE)

    @functools.cached_property
    def provenance(self) -> dict[str, Any]:
        """Versions, device, processor, git commit, and hashes of data, model file and initial weights."""
        path = self.path / PROVENANCE
        written = read_json(path, {"format": int})["format"]
        if written != FORMAT:
            raise RunError(
                f"The run in {self.path} is of format {written}; unikeras {_version()} knows format {FORMAT}.", cure=self._newer()
            )
        return read_json(path, PROVENANCE_SHAPE)

    @functools.cached_property
    def metrics(self) -> list[dict[str, Any]]:
        """Rows in the order they were written; `kind` is step or epoch."""
        return self._rows(self._metrics_bytes())

    def rows_so_far(self) -> list[dict[str, Any]]:
        """As `metrics`, of a run that did not finish: there may be none yet, and of the last only a part."""
        whole = self._metrics_bytes().rpartition(b"\n")[0] if (self.path / METRICS).is_file() else b""
        return self._rows(whole)

    def _metrics_bytes(self) -> bytes:
        path = self.path / METRICS
        try:
            return path.read_bytes()
        except OSError as error:
            raise RunError(f"{path} can't be read: {error.strerror}.", cure=DAMAGED) from None

    def _rows(self, content: bytes) -> list[dict[str, Any]]:
        return [_row(line, number, self.path / METRICS) for number, line in enumerate(content.splitlines(), start=1)]

    def _newer(self) -> str:
        """The cure for a run that this version doesn't understand, with the version that wrote it, if that can be read."""
        try:
            writer = read_json(self.path / PROVENANCE, {"versions": {"unikeras": str}})["versions"]["unikeras"]
        except RunError:
            writer = None
        newer = writer if writer and writer != _version() else None
        return f"A newer unikeras wrote it: pip install {f'unikeras=={newer}' if newer else '--upgrade unikeras'}."

    def weights(self) -> Weights:
        """Canonical weights: NumPy arrays by names such as `conv1/kernel`.

        Raises:
            RunError: the file is missing, damaged, or not the one that the run ended with.
        """
        from unikeras import weights

        values = weights.load(self.path / WEIGHTS)  # first, for it says what is wrong with a damaged file
        self.require_own_weights()
        return values

    def require_own_weights(self) -> None:
        """Checks that the file of weights is the one that the run ended with.

        Raises:
            RunError: it is another, or missing.
        """
        path, recorded = self.path / WEIGHTS, self.result["weights_sha256"]
        try:
            received = sha256(path)
        except OSError as error:
            raise RunError(f"{path} can't be read: {error.strerror}.", cure=DAMAGED) from None
        if received != recorded:
            hashes = f"its SHA-256 is {received[:12]}…, and {RESULT} records {recorded[:12]}…"
            raise RunError(f"{path} is not the file that the run ended with: {hashes}.", cure=DAMAGED)


def _version() -> str:
    return provenance.version("unikeras") or "of unknown version"


def _row(line: bytes, number: int, path: Path) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        row = None
    if shapes.fault(row, {"kind": str}):
        raise RunError(f"Line {number} of {path} is no row of metrics.", cure=DAMAGED)
    return dict(row)


def load_run(path: str | Path) -> Run:
    """The finished run in a folder.

    Args:
        path: The folder that `train` returned as `Run.path` and the command line printed.

    Returns:
        The run; it reads its files when they are asked for, and imports no framework.

    Raises:
        RunError: the folder doesn't exist, holds no run, one that did not finish, is damaged or of a newer version.
    """
    folder = Path(path).expanduser()
    if not folder.is_dir():
        raise RunError(f"There is no run folder {folder}.", cure="Give the folder that `unikeras train` printed.")
    if not (folder / CONFIG).is_file():
        raise RunError(f"{folder} holds no run: it has no {CONFIG}.", cure="Give the folder that `unikeras train` printed.")
    if not (folder / RESULT).is_file():
        raise RunError(
            f"The run in {folder} did not finish: it has no {RESULT}.",
            cure=f"`unikeras resume {folder}` goes on with it; {folder / LOG} has what was printed.",
        )
    found = Run(folder)
    _ = found.provenance, found.settings, found.result  # each is read, and says what is wrong with its file
    return found


def checkpoint_name(step: int) -> str:
    """Folder name of the checkpoint after `step`; names sort as steps do."""
    return f"step-{step:08d}"


def checkpoint_step(path: Path) -> int:
    """The step that a checkpoint's folder name says."""
    return int(path.name.removeprefix("step-"))


def checkpoint_paths(folder: Path) -> list[Path]:
    """Checkpoints in a folder of them, the newest first."""
    paths = [path for path in folder.glob("step-*") if re.fullmatch(r"step-\d{8,}", path.name)]
    return sorted(paths, key=checkpoint_step, reverse=True)


def new_folder_name(settings: Settings, backend: str | None) -> Path:
    """Default place of a run: runs/TIME-MODEL-DATASET-BACKEND in the current folder, with a number where that is taken."""
    parts = [_now(), Path(settings.model).stem, Path(settings.dataset).stem.partition(":")[0], backend]
    name = "-".join(part for part in parts if part)
    candidates = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
    return next(folder for folder in (Path("runs") / candidate for candidate in candidates) if not folder.exists())


def _now() -> str:
    return datetime.datetime.now().strftime("%Y-%m-%d_%H%M%S")


def make_folder(folder: Path) -> None:
    """Makes the folder of a run, unless the run is there already.

    Raises:
        RunError: the folder can't be made, or holds something else.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        strange = [path.name for path in folder.iterdir() if path.name != LOCK and path.suffix != ".partial"]
    except OSError as error:
        raise RunError(
            f"The run's folder {folder} can't be written: {error.strerror}.", cure="Choose another --output."
        ) from None
    if strange and not (folder / CONFIG).is_file():
        raise RunError(
            f"{folder} holds files already, and they are no run.", cure="Choose another --output, or remove the folder."
        )


def begin(folder: Path, settings: Settings) -> None:
    """Makes an empty folder that of a run, by writing its configuration.

    Raises:
        RunError: the folder can't be written.
    """
    try:
        write_config(folder / CONFIG, settings)
    except OSError as error:
        raise RunError(
            f"The run's folder {folder} can't be written: {error.strerror}.", cure="Make room, or choose another --output."
        ) from None


def write_config(path: Path, settings: Settings) -> None:
    """Writes all settings but `output`, which is the folder itself."""
    import yaml

    values = {name: value for name, value in settings.to_dict().items() if name != "output"}
    write_bytes(path, yaml.safe_dump(values, sort_keys=False, allow_unicode=True).encode())


def write_json(path: Path, content: Any) -> None:
    """Writes a JSON file; it is whole or not there."""
    write_bytes(path, (json.dumps(content, indent=2) + "\n").encode())


def read_json(path: Path, shape: dict[str, Any]) -> dict[str, Any]:
    """Reads a JSON file of a run, which must have the keys and types of `shape` (see `shapes.fault`).

    Raises:
        RunError: it is missing or damaged.
    """
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise RunError(f"{path} can't be read: {error.strerror}.", cure=DAMAGED) from None
    except (ValueError, RecursionError):
        raise RunError(f"{path} is damaged: it is no JSON.", cure=DAMAGED) from None
    fault = shapes.fault(content, shape)
    if fault:
        raise RunError(f"{path} is damaged: {fault}.", cure=DAMAGED)
    return dict(content)
