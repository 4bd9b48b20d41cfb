"""The Python API: one function for each thing that the command line does."""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unikeras import sinks
from unikeras.run import Run, load_run
from unikeras.settings import FIELDS, resolve

if TYPE_CHECKING:
    import numpy as np

    from unikeras.checking.result import CheckResult
    from unikeras.tune_result import TuneResult

__all__ = ["Run", "check", "compare", "evaluate", "load_run", "predict", "resume", "train", "export", "tune", "report"]


def train(*, config: str | Path | None = None, quiet: bool = False, **settings: Any) -> Run | list[Run]:
    """Trains a model, in a process of its own for each backend.

    Args:
        config: YAML file of settings.
        quiet: Print nothing.
        **settings: Any field of `unikeras.settings.Settings`, by the names of the command line's options with underscores:
            backend, model, dataset, epochs, batch_size, optimizer, learning_rate, … `backend` is one name, a list of names,
            or "all".
        tensorboard: True writes the figures for TensorBoard, too, into the run's folder.
        mlflow: Where MLflow is to have them, too: "sqlite:///FILE.db" or a server's address.

    Where `output` holds an unfinished run, it goes on with it.

    Returns:
        The finished run; a list of runs, in the order of the backends, where `backend` means several.

    Raises:
        UnikerasError: a subclass says what was wrong: SettingsError, BackendError, ModelError, DataError, RunError, WorkerError.
        KeyboardInterrupt: Ctrl-C, after the step was finished and saved.
    """
    from unikeras import commands, progress

    wanted, settings = sinks.choose(settings)
    backend = settings.get("backend")
    if backend is not None and not isinstance(backend, str):
        settings["backend"] = ",".join(backend)
    given = {name: str(value) if isinstance(value, Path) else value for name, value in settings.items()}
    checked = resolve(given, Path(config) if config else None, spell=lambda name: f"{name}=")
    runs = commands.train(checked, progress.make_display(quiet, json=False), wanted)
    several = len(runs) > 1 or checked.backend == "all" or "," in checked.backend
    return runs if several else runs[0]


def resume(run: Run | str | Path, *, quiet: bool = False, **changes: Any) -> Run:
    """Goes on with a run that was interrupted, or gives a finished one more epochs.

    On the same backend and machine the result is that of an unbroken run, to the bit.

    Args:
        run: The run or its folder.
        quiet: Print nothing.
        **changes: Settings that differ from here on: backend, epochs (more), threads, log_every, checkpoint_every, max_restarts,
            on_nan, data_dir, cache_dir. And tensorboard or mlflow, as for `train`.

    Returns:
        The finished run.

    Raises:
        UnikerasError: a subclass says what was wrong; a SettingsError if a setting is changed that belongs to what is trained.
        KeyboardInterrupt: Ctrl-C, after the step was finished and saved.
    """
    from unikeras import commands, progress

    wanted, changes = sinks.choose(changes)
    given = {name: str(value) if isinstance(value, Path) else value for name, value in changes.items()}
    folder = run.path if isinstance(run, Run) else Path(run)
    return commands.resume(folder, given, progress.make_display(quiet, json=False), wanted)


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
        run: The run or its folder, or an exported file.
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
    from unikeras import export_command, progress

    display = progress.make_display(quiet=True, json=False)
    with tempfile.TemporaryDirectory(prefix="unikeras-") as folder:
        if isinstance(images, (str, Path)):
            images = [images]
        if hasattr(images, "__array__"):
            import numpy as np

            array_file = Path(folder) / "array.npy"
            np.save(array_file, np.asarray(images), allow_pickle=False)
            images = [array_file]
        answer = export_command.predict(run, [Path(image) for image in images], backend, top, display)
    predictions: list[dict[str, Any]] = answer["predictions"]
    return predictions


def export(run: Run | str | Path, format: str, *, output: str | Path | None = None) -> dict[str, Any]:
    """Writes a finished run as a file that other programs run, and verifies it in its own runtime.

    Args:
        run: The run or its folder.
        format: "keras", "onnx", "saved-model", "torch" or "litert".
        output: Where to; in the run's folder if not given.

    Returns:
        {"file", "sidecar", "format", "written_by", "verification": {"images", "source", "difference", "bound", …}}

    Raises:
        ExportError: the exporter failed, or the file does not compute what the run does.
        UnikerasError: anything else was wrong, and nothing is written.
    """
    from unikeras import export_command, progress

    display = progress.make_display(quiet=True, json=False)
    return export_command.export(_as_run(run), format, None if output is None else Path(output), display)


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
    from unikeras.reporting import check as check_page
    from unikeras.reporting import files

    names = backends if isinstance(backends, str) else ",".join(backends)
    given = {name: str(value) if isinstance(value, Path) else value for name, value in settings.items()}
    checked = resolve({**given, "model": str(model), "backend": names}, spell=lambda name: f"{name}=")
    page = None if report is None else files.require_writable(Path(report))
    request = check_request.make_request(
        checked, optimizer=optimizer, steps=steps, dtype=dtype, quick=quick, full=full, plant=plant
    )
    result = check_command.check(request, progress.make_display(quiet, json=False))
    if page is not None:
        files.write(check_page.render(result.to_dict()), page)
    return result


def compare(*runs: Run | str | Path, test: bool = False, quiet: bool = False) -> dict[str, Any]:
    """What differs between finished runs, and what came out.

    Args:
        *runs: Two or more runs or their folders.
        test: Also test whether their accuracies differ by more than chance (McNemar's exact test on the same test images).
        quiet: Print nothing.

    Returns:
        {"runs", "settings", "circumstances", "results", "speed", "pairs"}: lists are in the order of the runs; `pairs` is None
        without `test`, otherwise it has a `p_corrected` and `more_than_chance` for every two runs.

    Raises:
        UnikerasError: a run can't be read; a DataError if runs of different data are to be tested.
    """
    from unikeras import compare_command, progress

    places = resolve({}) if test else None
    return compare_command.compare([_as_run(run) for run in runs], progress.make_display(quiet, json=False), places)


def tune(
    search: Mapping[str, str | Sequence[Any]],
    *,
    trials: int | None = None,
    jobs: int | None = None,
    metric: str | None = None,
    prune: bool = True,
    timeout: str | None = None,
    report: str | Path | None = None,
    config: str | Path | None = None,
    quiet: bool = False,
    **settings: Any,
) -> TuneResult:
    """Searches for the best settings: many trainings, each an ordinary run in the search's folder.

    Args:
        search: By setting name a list of values, or a range as on the command line: {"learning_rate": "1e-4:1e-1:log"}.
        trials: How many trainings in all; 20 if not given.
        jobs: How many at a time; 1 if not given.
        metric: "test_accuracy" (if not given) or "test_loss", after the last epoch.
        prune: Give up a trial that is behind the median of the others.
        timeout: Stop and save after "90s", "30m" or "2h".
        report: HTML file to write.
        config: YAML file of settings for all trials.
        quiet: Print nothing.
        **settings: Those of all trials, as for `train`. Where `output` holds an unfinished search, it goes on with it.

    Returns:
        A `TuneResult`: `best` is the best trial, whose `settings` and `run` say what it was, `trials` are all of them.

    Raises:
        UnikerasError: a subclass says what was wrong; a WorkerError if no trial came to anything.
        KeyboardInterrupt: Ctrl-C, after the trials under way were saved.
    """
    from unikeras import progress, tune_command, tune_request, tune_space
    from unikeras.reporting import files
    from unikeras.reporting import tune as page

    given = {name: str(value) if isinstance(value, Path) else value for name, value in settings.items()}
    checked = resolve(given, Path(config) if config else None, spell=lambda name: f"{name}=")
    texts = [f"{name}={values if isinstance(values, str) else tune_space.listed(values)}" for name, values in search.items()]
    request = tune_request.make_request(
        checked, tune_space.parse(texts, checked, given), metric=metric, trials=trials, jobs=jobs, prune=prune, timeout=timeout
    )
    file = None if report is None else files.require_writable(Path(report))
    result = tune_command.tune(request, progress.make_display(quiet, json=False))
    if file is not None:
        files.write(page.render(result), file)
    return result


def report(
    runs: Run | str | Path | Sequence[Run | str | Path],
    output: str | Path = "report.html",
    *,
    check: str | Path | None = None,
    bench: str | Path | None = None,
    quiet: bool = False,
) -> Path:
    """Writes one run, or several side by side, into one HTML file that needs no network.

    Args:
        runs: Runs or their folders; a folder of several runs stands for all of them.
        output: The file.
        check: File of what `unikeras check --json` has printed.
        bench: File of what `unikeras bench --json` has printed.
        quiet: Print nothing.

    Returns:
        The file.

    Raises:
        UnikerasError: there is no run, a file is damaged, or the page can't be written. Where only the dataset is gone, the page
            is written without its images.
    """
    from unikeras import progress, report_command

    named = [runs] if isinstance(runs, (Run, str, Path)) else runs
    folders = [one.path if isinstance(one, Run) else Path(one) for one in named]
    results = {name: Path(file) for name, file in (("check", check), ("bench", bench)) if file is not None}
    return report_command.report(folders, Path(output), progress.make_display(quiet, json=False), option="output=", **results)


def _as_run(run: Run | str | Path) -> Run:
    return run if isinstance(run, Run) else load_run(run)


def _signature() -> inspect.Signature:
    """`train`'s signature with every setting in it, for help() and editors."""
    own = [parameter for parameter in inspect.signature(train).parameters.values() if parameter.name != "settings"]
    fields = [
        inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=field.type)
        for field in FIELDS.values()
    ]
    own += [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None if kind.metavar else False)
        for name, kind in sinks.KINDS.items()
    ]
    return inspect.Signature([*fields, *own], return_annotation="Run | list[Run]")


train.__signature__ = _signature()  # type: ignore[attr-defined]
