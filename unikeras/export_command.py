"""What `unikeras export` does, and prediction by exported files; parent side, without any framework or NumPy."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from unikeras import commands, provenance
from unikeras import run as run_files
from unikeras.backends import BACKENDS, BackendInfo
from unikeras.errors import BackendError, DataError, ExportError, WorkerDiedError
from unikeras.events import Job, Notice
from unikeras.exporting import formats, placing, sidecar
from unikeras.exporting.formats import Format
from unikeras.launcher import child_environment, run_job
from unikeras.progress import Display
from unikeras.run import Run, load_run

PACKAGES = ("onnx", "onnxruntime", "onnxscript", "ai-edge-litert")  # beside those of every run's provenance


def export(finished: Run, format_name: str, output: Path | None, display: Display) -> dict[str, Any]:
    """Writes a run as a file of another format, and has the file's own runtime compute what the run does.

    Returns:
        {"file", "sidecar", "format", "written_by", "verification"}; the last has the largest difference and its bound.

    Raises:
        ExportError: the exporter failed, or the file is wrong; it is kept as `NAME.bad.SUFFIX` then.
        UnikerasError: anything else was wrong, and nothing is written.
    """
    chosen = formats.select(format_name)
    formats.require_packages(chosen.writing + chosen.running, f"Exporting as {chosen.name}")
    writer = formats.writer(chosen, finished.settings.backend)
    finished.require_own_weights()
    path = placing.choose(finished, chosen, output)
    dataset = _dataset(finished, display)
    with tempfile.TemporaryDirectory(prefix=".unikeras-", dir=path.parent) as folder:
        made = Path(folder) / path.name
        arguments = {"folder": str(finished.path), "format_name": chosen.name, "backend": writer.name, "path": str(made)}
        written = _work(Job("export_write", arguments), writer, finished, Path(folder), display)
        figures = _verify(finished, chosen, made, path, dataset, display)
        described = _describe(finished, chosen, written["weights_hash"], sidecar.digest(made), figures)
        placing.commit(made, path, described)
    beside = str(sidecar.path_of(path))
    return {"file": str(path), "sidecar": beside, "format": chosen.name, "written_by": writer.name, "verification": figures}


def predict(source: Run | str | Path, images: list[Path], backend: str | None, top: int, display: Display) -> dict[str, Any]:
    """The most probable classes of images, by a run or by an exported file.

    Raises:
        UnikerasError: there is no such run or file, or its backend or runtime is missing, or an image doesn't fit.
    """
    if isinstance(source, Run):
        return commands.predict(source, images, backend, top, display)
    path = Path(source).expanduser()
    if not sidecar.is_exported(path):
        return commands.predict(load_run(source), images, backend, top, display)
    return _predict_exported(path, images, backend, top, display)


def _predict_exported(file: Path, images: list[Path], backend: str | None, top: int, display: Display) -> dict[str, Any]:
    """The same in the file's own runtime."""
    described = sidecar.read(file)
    if backend is not None:
        raise BackendError(
            f"{file} is an exported file, which runs in a runtime of its own, not on {backend}.", cure="Leave out --backend."
        )
    info = formats.runtime(formats.FORMATS[described["format"]])
    job = Job("predict_exported", {"path": str(file), "images": [str(image) for image in images], "top": top})
    with tempfile.TemporaryDirectory(prefix="unikeras-") as folder:
        result: dict[str, Any] = run_job(job, child_environment(info, None), Path(folder) / run_files.LOG, display.on_event)
        return result


def _dataset(finished: Run, display: Display) -> Path | None:
    """The run's prepared dataset; None, with a word about it, where that can't be had any more."""
    try:
        return commands.prepare(commands.request_of(finished.settings), display)
    except DataError as error:
        display.on_event(Notice(f"{error.message} The export is verified on random images."))
        return None


def _verify(finished: Run, chosen: Format, made: Path, path: Path, dataset: Path | None, display: Display) -> dict[str, Any]:
    """Figures of the comparison, which the file has passed."""
    folder, reference = made.parent, made.parent / "reference.npz"
    backend = BACKENDS[finished.settings.backend]
    arguments = {"folder": str(finished.path), "dataset": None if dataset is None else str(dataset), "path": str(reference)}
    figures = _work(Job("export_reference", arguments), backend, finished, folder, display)
    arguments = {"format_name": chosen.name, "path": str(made), "reference": str(reference)}
    try:
        figures |= _work(Job("export_verify", arguments), formats.runtime(chosen), finished, folder, display)
        if not figures["difference"] <= figures["bound"]:
            raise ExportError(
                f"The exported file does not compute what the run does on {backend.name}: a logit differs by "
                f"{figures['difference']:.2e}; rounding explains {figures['bound']:.2e} at most.",
                cure=f"`unikeras check {finished.settings.model}` may name the layer that differs.",
            )
    except (ExportError, WorkerDiedError) as error:
        error.cure += f" The file is kept as {placing.keep_bad(made, path)}."
        raise
    return figures


def _describe(finished: Run, chosen: Format, weights_hash: str, file_hash: str, figures: dict[str, Any]) -> dict[str, Any]:
    """The sidecar."""
    inputs = finished.provenance["inputs"]
    versions = {**finished.provenance["versions"], **{name: provenance.version(name) for name in provenance.PACKAGES + PACKAGES}}
    return {
        "sidecar": sidecar.VERSION,
        "format": chosen.name,
        "input": {
            "name": "images",
            "shape": inputs["shape"],  # of one image, channels last; the batch axis comes before
            "dtype": inputs["dtype"],
            "normalization": "included",
            "scale": inputs["scale"],
            "offset": inputs["offset"],
        },
        "output": {"name": "logits", "shape": [len(inputs["class_names"])], "dtype": "float32"},
        "class_names": inputs["class_names"],
        "model": Path(finished.settings.model).stem,
        "trained_on": finished.settings.backend,
        "verification": figures,
        "versions": versions,
        "file_hash": file_hash,
        "weights_hash": weights_hash,
        "run_id": placing.run_id(finished),
    }


def _work(job: Job, info: BackendInfo | None, finished: Run, folder: Path, display: Display) -> dict[str, Any]:
    """Result of a job, done on the CPU: files are written for any machine, and runtimes on a GPU round in their own ways."""
    environment = {**child_environment(info, finished.settings.threads), "CUDA_VISIBLE_DEVICES": ""}
    result: dict[str, Any] = run_job(job, environment, folder / run_files.LOG, display.on_event)
    return result
