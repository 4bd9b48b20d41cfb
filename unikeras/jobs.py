"""What a worker can do: one function a job, called with the job's arguments and `emit`. Only workers import this module."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from unikeras import backends, history, model_files, model_warnings, predictions, provenance, run, training, trial, weights
from unikeras.backends.base import Backend
from unikeras.bench import contender, course, limit
from unikeras.checking import measure as check_measure
from unikeras.checking import reference as check_reference
from unikeras.data import prepare as data_prepare
from unikeras.data.dataset import Dataset, describe
from unikeras.data.locate import Request
from unikeras.events import Emit, Notice, Started
from unikeras.exporting import reference, verifying, writing
from unikeras.factory import describe_inputs, make_backend, make_spec
from unikeras.failures import explained
from unikeras.faults import reach
from unikeras.files import sha256
from unikeras.predicting import load_inputs, top_classes
from unikeras.recorder import Recorder
from unikeras.run import Run, load_run
from unikeras.session import Session
from unikeras.settings import Settings, validate


def train(emit: Emit, settings: dict[str, Any], folder: str, dataset: str, launched_at: float) -> dict[str, Any]:
    """Trains a run in its folder, from its newest checkpoint if it has one; returns what result.json says."""
    run_folder, chosen = Path(folder), validate(settings, {})
    with explained(run_folder, chosen.batch_size):
        data = Dataset.open(Path(dataset))
        inputs = describe_inputs(data, chosen.normalize)
        backend = make_backend(chosen, chosen.backend, inputs)
        start = backend.weights()
        initial = weights.digest(start)
        steps_per_epoch = math.ceil(len(data.train.y) / chosen.batch_size)
        shapes = {name: list(array.shape) for name, array in start.items()}
        emit(Started(backend.device, sum(array.size for array in start.values()), steps_per_epoch, initial, shapes))
        for warning in model_warnings.softmax(backend):
            emit(Notice(warning))
        recorder = Recorder(backend, run_folder / run.METRICS, emit, steps_per_epoch, chosen.log_every, launched_at)
        session = Session(backend, chosen, run_folder, recorder, emit)
        _begin(session, _provenance(chosen, backend, data, inputs, initial), emit)
        session.train(data)
        reach("trained")
        result = {"backend": chosen.backend, "run": str(run_folder), **recorder.close()}
        weights.save(backend.weights(), run_folder / run.WEIGHTS)
        result["weights_sha256"] = sha256(run_folder / run.WEIGHTS)
        _save_model(backend, run_folder / run.KERAS_MODEL, emit)
        run.write_json(run_folder / run.RESULT, result)
    return result


def evaluate(emit: Emit, folder: str, backend: str, dataset: str) -> dict[str, Any]:
    """Loss and accuracy of a finished run on its test images, on any backend."""
    finished, data = load_run(folder), Dataset.open(Path(dataset))
    if finished.provenance["data_hash"] != data.data_hash:
        emit(Notice(f"The dataset {finished.settings.dataset} has changed since the run was trained."))
    model = _restore(finished, backend, emit)
    metrics = training.evaluate(model, data.test, finished.settings.batch_size)
    return {"backend": backend, "run": folder, "test_loss": metrics.loss, "test_accuracy": metrics.accuracy}


def predict(emit: Emit, folder: str, backend: str, images: list[str], top: int) -> dict[str, Any]:
    """The `top` most probable classes of each image file (or of each row of one .npy file), on any backend."""
    finished = load_run(folder)
    expected = finished.provenance["inputs"]
    names, inputs = load_inputs([Path(image) for image in images], tuple(expected["shape"]), expected["dtype"])
    model = _restore(finished, backend, emit)
    size = finished.settings.batch_size
    logits = np.concatenate([model.predict(inputs[start : start + size]) for start in range(0, len(inputs), size)])
    pairs = zip(names, logits, strict=True)
    ranked = [{"image": name, "classes": top_classes(row, expected["class_names"], top)} for name, row in pairs]
    return {"backend": backend, "run": folder, "predictions": ranked}


def predict_test(emit: Emit, folder: str, dataset: str) -> dict[str, Any]:
    """Predictions for all test images, on the run's own backend, into its folder."""
    finished, data = load_run(folder), Dataset.open(Path(dataset))
    model = _restore(finished, finished.settings.backend, emit)
    parts = []
    for part in training.evaluation_slices(len(data.test.y), finished.settings.batch_size):
        parts.append(predictions.of_logits(data.test.y[part], model.predict(np.array(data.test.x[part]))))
    predictions.save(finished, data.data_hash, predictions.joined(parts))
    return {}


def prepare(emit: Emit, request: dict[str, Any], download: bool) -> dict[str, Any]:
    """Makes the arrays of a dataset, if they are not there; returns their folder."""
    wanted = Request.from_dict(request)
    return {"folder": str(data_prepare.fetch(wanted, emit) if download else data_prepare.prepare(wanted, emit))}


def inspect(emit: Emit, folder: str) -> dict[str, Any]:
    """Facts of a prepared dataset, after its files have been compared with their hashes."""
    return describe(Path(folder))


def summarize(emit: Emit, model: str, input_shape: list[int], num_classes: int) -> dict[str, Any]:
    """Layers and parameters of a Keras model."""
    from unikeras.backends import _keras

    inputs = {"shape": input_shape, "dtype": "uint8", "class_names": [""] * num_classes, "scale": 1.0, "offset": 0.0}
    _, built, _ = _keras.build_model(make_spec(Settings(model=model), model_files.locate(model), inputs))
    layers = [
        {
            "name": layer.name,
            "type": type(layer).__name__,
            "output_shape": _output_shape(layer),
            "parameters": layer.count_params(),
        }
        for layer in built.layers
    ]
    trainable = sum(math.prod(variable.shape) for variable in built.trainable_variables)
    return {"model": model, "layers": layers, "parameters": built.count_params(), "trainable_parameters": trainable}


JOBS: dict[str, Callable[..., Any]] = {
    **{job.__name__: job for job in (train, evaluate, predict, predict_test, prepare, inspect, summarize)},
    "attempt": trial.attempt,
    "bench": contender.contend,
    "bench_course": course.run,
    "bench_limit": limit.measure,
    "check_reference": check_reference.make,
    "check_measure": check_measure.measure,
    "export_write": writing.write,
    "export_reference": reference.compute,
    "export_verify": verifying.verify,
    "predict_exported": verifying.predict,
}


def _restore(finished: Run, backend: str, emit: Emit) -> Backend:
    """A backend with the run's weights; says so where the model file is no longer that of the run."""
    for warning in model_warnings.changed(finished):
        emit(Notice(warning))
    model = make_backend(finished.settings, backend, finished.provenance["inputs"])
    model.load_weights(finished.weights())
    return model


def _begin(session: Session, now: dict[str, Any], emit: Emit) -> None:
    """Starts the run, or goes on with it; only here do its files change, for until here it may have been refused."""
    file = session.folder / run.PROVENANCE
    before = Run(session.folder).provenance if file.is_file() else now
    history.require_same(before, now)
    if not session.load_newest():
        if before is not now:
            emit(Notice("no checkpoint had been saved: the run starts from its beginning"))
        run.write_config(session.folder / run.CONFIG, session.settings)
        return run.write_json(file, now)
    for change in history.changed_versions(before, now):
        emit(Notice(f"{change} since the run's last process: it goes on, perhaps not to the same bits"))
    (session.folder / run.RESULT).unlink(missing_ok=True)  # first, for with it the run would look complete
    run.write_config(session.folder / run.CONFIG, session.settings)
    run.write_json(file, history.joined(before, now, session.position.epoch, session.position.step))
    session.go_on()


def _provenance(settings: Settings, backend: Backend, data: Dataset, inputs: dict[str, Any], initial: str) -> dict[str, Any]:
    return {
        "format": run.FORMAT,
        **provenance.collect(),
        "backend": settings.backend,
        "device": backend.device,
        "seed": settings.seed,
        "data_hash": data.data_hash,
        "inputs": inputs,
        "model_hash": model_files.fingerprint(model_files.locate(settings.model)),
        "initial_weights": initial,
        "history": [history.entry(settings.backend, backend.device, _model_file_hash(settings), settings.epochs)],
    }


def _model_file_hash(settings: Settings) -> str:
    """Of the file that the backend runs."""
    info = backends.BACKENDS[settings.backend]
    path = model_files.framework_file(model_files.locate(settings.model), info.framework, info.uses_keras)
    return model_files.fingerprint(path)


def _save_model(backend: Backend, path: Path, emit: Emit) -> None:
    """A model that Keras can't serialise has still been trained, and its weights are saved."""
    try:
        backend.save_model(path)
    except Exception as error:  # noqa: BLE001 - custom layers may fail in any way
        path.unlink(missing_ok=True)
        reason = " ".join(str(error).split())[:300]
        emit(Notice(f"Keras could not write {path.name} ({type(error).__name__}: {reason}); weights.safetensors is complete."))


def _output_shape(layer: Any) -> list[int | None] | None:
    shape = getattr(getattr(layer, "output", None), "shape", None) if getattr(layer, "_inbound_nodes", None) else None
    return None if shape is None else list(shape)
