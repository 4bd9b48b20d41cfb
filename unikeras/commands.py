"""What unikeras does, parent side: the command line and the Python API are two faces of these functions.

Nothing here imports a framework or NumPy; every piece of real work is a job of a worker.
"""

from __future__ import annotations

import dataclasses
import shlex
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unikeras import backends, model_files, resumption, run, run_lock
from unikeras.backends import BackendInfo
from unikeras.data import locate
from unikeras.errors import BackendError, ModelError, RunError, UnikerasError
from unikeras.events import Event, Job, Started
from unikeras.interruption import Interruption, StopSwitch
from unikeras.launcher import child_environment, run_job
from unikeras.progress import Display, run_shown
from unikeras.run import Run
from unikeras.settings import Settings, as_option, validate
from unikeras.sinks import Wanted, _feed
from unikeras.sinks.base import Examples
from unikeras.supervisor import Supervisor

if TYPE_CHECKING:
    from unikeras.predictions import Predictions


def train(settings: Settings, display: Display, wanted: Sequence[Wanted] = (), stop: StopSwitch | None = None) -> list[Run]:
    """Trains one run per backend, one after the other, from the same start; a run that is in its folder already goes on.

    Args:
        wanted: The sinks that each run is to have.
        stop: By which another thread may stop it.

    Raises:
        UnikerasError: anything was wrong; runs that had finished before stay.
        Interruption: training was asked to stop, and did.
    """
    chosen = backends.select(settings.backend)
    if len(chosen) > 1 and settings.output and resumption.is_run(settings.output):
        raise RunError(f"{settings.output} holds a run of one backend.", cure="Name one --backend, or choose another --output.")
    keras_file = model_files.locate(settings.model)
    for info in chosen:
        model_files.framework_file(keras_file, info.framework, info.uses_keras)
    request = request_of(settings)
    dataset = prepare(request, display)
    settings = dataclasses.replace(settings, dataset=locate.absolute_name(request))
    folder = settings.output or run.new_folder_name(settings, chosen[0].name if len(chosen) == 1 else None)
    folders = {info.name: folder if len(chosen) == 1 else folder / info.name for info in chosen}
    starts: dict[str, Started] = {}
    try:
        return [
            _train_one(
                dataclasses.replace(settings, backend=info.name), info, folders[info.name], dataset, display, starts, wanted, stop
            )
            for info in chosen
        ]
    except Interruption as interruption:
        interruption.resume = _resume_command(folder, list(folders.values()), settings.backend)
        raise


def resume(folder: Path, changes: dict[str, Any], display: Display, wanted: Sequence[Wanted] = ()) -> Run:
    """Goes on with the run in a folder, with its own settings but for `changes`, which are values by setting name.

    Raises:
        UnikerasError: anything was wrong.
        Interruption: training was asked to stop, and did.
    """
    before = resumption.load_started(folder).settings
    if "backend" in changes:
        _one_backend(changes["backend"])
    origin = {name: as_option(name) for name in changes}
    return train(dataclasses.replace(validate({**before.to_dict(), **changes}, origin), output=folder), display, wanted)[0]


def evaluate(
    finished: Run, backend: str | None, data_dir: Path | None, cache_dir: Path | None, display: Display
) -> dict[str, Any]:
    """Test loss and accuracy of a run, on the backend it was trained with or on another."""
    settings = finished.settings
    info = _one_backend(backend or settings.backend)
    places = dataclasses.replace(settings, data_dir=data_dir or settings.data_dir, cache_dir=cache_dir or settings.cache_dir)
    dataset = prepare(request_of(places), display)
    arguments = {"folder": str(finished.path), "backend": info.name, "dataset": str(dataset)}
    return _work(Job("evaluate", arguments), info, settings.threads, display)


def predict(finished: Run, images: list[Path], backend: str | None, top: int, display: Display) -> dict[str, Any]:
    """The most probable classes of images."""
    info = _one_backend(backend or finished.settings.backend)
    arguments = {"folder": str(finished.path), "backend": info.name, "images": [str(image) for image in images], "top": top}
    return _work(Job("predict", arguments), info, finished.settings.threads, display)


def test_predictions(finished: Run, dataset: Path, display: Display) -> Predictions:
    """What a run predicts for the test images of the prepared `dataset`, in their order; computed when first asked for.

    Raises:
        UnikerasError: the run or the dataset is damaged, or the model's backend is missing.
    """
    from unikeras import predictions
    from unikeras.data.dataset import Dataset

    data_hash = Dataset.open(dataset).data_hash
    kept = predictions.load(finished, data_hash)
    if kept is None:
        info = _one_backend(finished.settings.backend)
        arguments = {"folder": str(finished.path), "dataset": str(dataset)}
        _work(Job("predict_test", arguments), info, finished.settings.threads, display)
        kept = predictions.load(finished, data_hash)
    if kept is None:
        raise RunError(f"{finished.path / run.PREDICTIONS} changed while it was read.", cure="Try again.")
    return kept


def prepare(request: locate.Request, display: Display, download: bool = False) -> Path:
    """Folder of a dataset's arrays, which are made if they are not there yet."""
    folder = None if download else locate.find(request)
    if folder is not None:
        return folder
    try:
        return Path(_work(Job("prepare", {"request": request.to_dict(), "download": download}), None, None, display)["folder"])
    finally:
        display.end_run()


def inspect(request: locate.Request, display: Display) -> dict[str, Any]:
    """Facts of a dataset, after its arrays have been compared with their hashes; prepares it first if need be."""
    return _work(Job("inspect", {"folder": str(prepare(request, display))}), None, None, display)


def summarize(model: str, input_shape: tuple[int, ...], num_classes: int, display: Display) -> dict[str, Any]:
    """Layers and parameters of a Keras model, read on whichever Keras backend is installed."""
    model_files.locate(model)
    info = next(info for info in backends.BACKENDS.values() if info.uses_keras and info.installed)
    arguments = {"model": model, "input_shape": list(input_shape), "num_classes": num_classes}
    return _work(Job("summarize", arguments), info, None, display)


def request_of(settings: Settings) -> locate.Request:
    """The dataset that settings name."""
    return locate.Request(settings.dataset, settings.data_dir, settings.cache_dir, settings.image_size)


def _train_one(
    settings: Settings,
    info: BackendInfo,
    folder: Path,
    dataset: Path,
    display: Display,
    starts: dict[str, Started],
    wanted: Sequence[Wanted],
    stop: StopSwitch | None,
) -> Run:
    run.make_folder(folder)
    is_new = not resumption.is_run(folder)
    with run_lock.hold(folder) as lock:
        if is_new:
            run.begin(folder, settings)
        try:
            with _feed.opened(wanted, folder, settings, display.on_event) as feed:

                def on_event(event: Event) -> None:
                    if isinstance(event, Started):
                        _require_same_start(starts, info.name, event)
                    display.on_event(event)
                    feed.on_event(event)

                if is_new or resumption.has_more_to_do(folder, settings, display.on_event):
                    arguments = {"settings": settings.to_dict(), "folder": str(folder), "dataset": str(dataset)}
                    with run_shown(display, info.name, settings):
                        supervisor = Supervisor(folder, lock, settings.max_restarts, on_event, stop)
                        supervisor.run(Job("train", arguments), child_environment(info, settings.threads))
                finished = run.load_run(folder)
                feed.finish(finished, lambda: _examples(finished, dataset, display))
        except UnikerasError as error:
            if is_new and error.exit_code == 2:  # wrong input: nothing was trained, and the corrected command may use the folder
                shutil.rmtree(folder)
            raise
    return finished


def _examples(finished: Run, dataset: Path, display: Display) -> Examples:
    from unikeras.data.dataset import Dataset

    data = Dataset.open(dataset)
    return Examples(test_predictions(finished, dataset, display), data.test.x, data.class_names)


def _resume_command(folder: Path, folders: list[Path], backend: str) -> str:
    """What to type to go on: with several backends, the same command, for the later ones have not begun."""
    if folders == [folder]:
        return shlex.join(["unikeras", "resume", str(folder)])
    config = str(folders[0] / run.CONFIG)
    return shlex.join(["unikeras", "train", "--config", config, "--backend", backend, "--output", str(folder)])


def _require_same_start(starts: dict[str, Started], backend: str, started: Started) -> None:
    """Backends of one command must start from equal weights, or comparing them means nothing."""
    starts[backend] = started
    first = next(iter(starts))
    if starts[first].initial_weights == started.initial_weights:
        return
    expected, found = starts[first].shapes, started.shapes
    differences = [f"{name} is missing" for name in expected if name not in found]
    differences += [f"{name} is unknown to {first}" for name in found if name not in expected]
    differences += [
        f"{name} is {_sizes(shape)}, not {_sizes(expected[name])}"
        for name, shape in found.items()
        if expected.get(name, shape) != shape
    ]
    if differences:
        more = f" and {len(differences) - 6} more" if len(differences) > 6 else ""
        raise ModelError(
            f"{backend} has other parameters than {first}: {'; '.join(differences[:6])}{more}.",
            cure="The native file needs layers of the same names and shapes as the Keras file, and none that this one lacks.",
        )
    raise ModelError(
        f"{backend} starts from other initial weights than {first}.",
        cure="Where the Keras file sets an initialiser, the native file beside it needs the same one: define there "
        "initializers = {'conv1/kernel': 'he_normal'}.",
    )


def _sizes(shape: list[int]) -> str:
    return "×".join(map(str, shape)) or "a number"


def _one_backend(name: str) -> BackendInfo:
    chosen = backends.select(name)
    if len(chosen) != 1:
        raise BackendError(f"One backend is needed here, not {name!r}.", cure=f"Allowed: {', '.join(backends.BACKENDS)}.")
    return chosen[0]


def _work(job: Job, info: BackendInfo | None, threads: int | None, display: Display) -> dict[str, Any]:
    """Result of a job outside of a run; its log is kept only until it ends."""
    with tempfile.TemporaryDirectory(prefix="unikeras-") as folder:
        result: dict[str, Any] = run_job(job, child_environment(info, threads), Path(folder) / run.LOG, display.on_event)
        return result
