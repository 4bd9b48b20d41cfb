"""The Python API: `unikeras.train`, `resume`, `evaluate`, `predict`, `load_run`, `check`."""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unikeras.run import Run, load_run
from unikeras.settings import FIELDS, resolve

if TYPE_CHECKING:
    import numpy as np

    from unikeras.checking.result import CheckResult

__all__ = ["Run", "check", "evaluate", "load_run", "predict", "resume", "train"]


def train(*, config: str | Path | None = None, quiet: bool = False, **settings: Any) -> Run | list[Run]:
    """Trains a model, in a process of its own for each backend.

    Args:
        config: YAML file of settings.
        quiet: Print nothing.
        **settings: Any field of `unikeras.settings.Settings`, by the names of the command line's options with underscores:
            backend, model, dataset, epochs, batch_size, optimizer, learning_rate, … `backend` is one name, a list of names,
            or "all".

    Where `output` holds an unfinished run, it goes on with it.

    Returns:
        The finished run; a list of runs, in the order of the backends, where `backend` means several.

    Raises:
        UnikerasError: a subclass says what was wrong: SettingsError, BackendError, ModelError, DataError, RunError, WorkerError.
        KeyboardInterrupt: Ctrl-C, after the step was finished and saved.
    """
    from unikeras import commands, progress

    backend = settings.get("backend")
    if backend is not None and not isinstance(backend, str):
        settings["backend"] = ",".join(backend)
    given = {name: str(value) if isinstance(value, Path) else value for name, value in settings.items()}
    checked = resolve(given, Path(config) if config else None, spell=lambda name: f"{name}=")
    runs = commands.train(checked, progress.make_display(quiet, json=False))
    several = len(runs) > 1 or checked.backend == "all" or "," in checked.backend
    return runs if several else runs[0]


def resume(run: Run | str | Path, *, quiet: bool = False, **changes: Any) -> Run:
    """Goes on with a run that was interrupted, or gives a finished one more epochs.

    On the same backend and machine the result is that of an unbroken run, to the bit.

    Args:
        run: The run or its folder.
        quiet: Print nothing.
        **changes: Settings that differ from here on: backend, epochs (more), threads, log_every, checkpoint_every, max_restarts,
            on_nan, data_dir, cache_dir.

    Returns:
        The finished run.

    Raises:
        UnikerasError: a subclass says what was wrong; a SettingsError if a setting is changed that belongs to what is trained.
        KeyboardInterrupt: Ctrl-C, after the step was finished and saved.
    """
    from unikeras import commands, progress

    given = {name: str(value) if isinstance(value, Path) else value for name, value in changes.items()}
    return commands.resume(run.path if isinstance(run, Run) else Path(run), given, progress.make_display(quiet, json=False))


def evaluate(run: Run | str | Path, *, backend: str | None = None) -> dict[str, Any]:
    """Test loss and accuracy of a finished run.

    Args:
        run: The run or its folder.
        backend: Where to evaluate; the run's own backend if not given.

    Returns:
        {"backend", "run", "test_loss", "test_accuracy"}: the loss is the mean over all test samples (cross-entropy in nats, or
        the model file's own loss), the accuracy a share from 0 to 1.

    Raises:
        UnikerasError: a subclass says what was wrong: RunError, BackendError, ModelError, DataError (the dataset is gone),
            WorkerError.
    """
    from unikeras import commands, progress

    places = resolve({})
    display = progress.make_display(quiet=True, json=False)
    return commands.evaluate(_as_run(run), backend, places.data_dir, places.cache_dir, display)


def predict(
    run: Run | str | Path, images: str | Path | Sequence[str | Path] | np.ndarray, *, backend: str | None = None, top: int = 3
) -> list[dict[str, Any]]:
    """The most probable classes of images.

    Args:
        run: The run or its folder.
        images: Image files, which are resized to the training images' size, or an array B×input_shape, channels last, in the type
            and range of the training data (0 to 255 for images).
        backend: Where to predict; the run's own backend if not given.
        top: Classes per image.

    Returns:
        For each image {"image": its name, "classes": [{"name", "probability"}, …]}, the most probable class first; probabilities
        are softmax(logits), from 0 to 1.

    Raises:
        UnikerasError: a subclass says what was wrong: DataError (an image is missing, no image, or of another shape), RunError,
            BackendError, ModelError, WorkerError.
    """
    from unikeras import commands, progress

    display = progress.make_display(quiet=True, json=False)
    with tempfile.TemporaryDirectory(prefix="unikeras-") as folder:
        if isinstance(images, (str, Path)):
            images = [images]
        if hasattr(images, "__array__"):
            import numpy as np

            array_file = Path(folder) / "array.npy"
            np.save(array_file, np.asarray(images), allow_pickle=False)
            images = [array_file]
        answer = commands.predict(_as_run(run), [Path(image) for image in images], backend, top, display)
    predictions: list[dict[str, Any]] = answer["predictions"]
    return predictions


def check(
    model: str | Path = "cnn",
    *,
    backends: str | Sequence[str] = "all",
    optimizer: str | None = None,
    steps: int | None = None,
    dtype: str | None = None,
    quick: bool = False,
    full: bool = False,
    plant: str | None = None,
    report: str | Path | None = None,
    quiet: bool = False,
    **settings: Any,
) -> CheckResult:
    """Compares backends on a model, stage by stage.

    Args:
        model: Name of a bundled model, or a Python file with build(input_shape, num_classes).
        backends: Names, or "all" for every installed one.
        optimizer: Update rule to compare, or "all"; adam if not given.
        steps: Training steps to compare; 20 if not given.
        dtype: "float32" (if not given), "float64" or "both".
        quick: Six steps.
        full: All rules, all dtypes, mixed precision, and the accuracy after training.
        plant: A fault to plant, to see it found.
        report: HTML file to write.
        quiet: Print nothing.
        **settings: dataset, image_size, seed, normalize, learning_rate, data_dir or cache_dir, as for `train`.

    Returns:
        A `CheckResult`: true if all agree; `first_divergence` says where and why they don't.

    Raises:
        UnikerasError: the comparison could not be made; a subclass says why: SettingsError, BackendError, ModelError, DataError,
            WorkerError. That backends disagree is a result, not an error.
    """
    from unikeras import check_command, check_request, progress
    from unikeras.report import files

    names = backends if isinstance(backends, str) else ",".join(backends)
    given = {name: str(value) if isinstance(value, Path) else value for name, value in settings.items()}
    checked = resolve({**given, "model": str(model), "backend": names}, spell=lambda name: f"{name}=")
    page = None if report is None else files.require_writable(Path(report))
    request = check_request.make_request(
        checked, optimizer=optimizer, steps=steps, dtype=dtype, quick=quick, full=full, plant=plant
    )
    result = check_command.check(request, progress.make_display(quiet, json=False))
    if page is not None:
        files.write_check(result, page)
    return result


def _as_run(run: Run | str | Path) -> Run:
    return run if isinstance(run, Run) else load_run(run)


def _signature() -> inspect.Signature:
    """`train`'s signature with every setting in it, for help() and editors."""
    own = [parameter for parameter in inspect.signature(train).parameters.values() if parameter.name != "settings"]
    fields = [
        inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=field.type)
        for field in FIELDS.values()
    ]
    return inspect.Signature([*fields, *own], return_annotation="Run | list[Run]")


train.__signature__ = _signature()  # type: ignore[attr-defined]
