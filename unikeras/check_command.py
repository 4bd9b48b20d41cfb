"""`unikeras check`, parent side: a worker makes the reference, one for each backend measures, and the figures are judged here."""

from __future__ import annotations

import dataclasses
import os
import shlex
import tempfile
import time
from pathlib import Path
from typing import Any

from unikeras import backends, check_accuracy, commands, model_files, provenance
from unikeras.backends import BackendInfo
from unikeras.checking import plants
from unikeras.checking.figures import STAGES, Figure
from unikeras.checking.judge import Judged, judge, judge_trajectory, make_envelope
from unikeras.checking.result import CheckResult, divergence, figure_row, stage_rows, trajectory_row
from unikeras.errors import BackendError, SettingsError
from unikeras.events import Job
from unikeras.launcher import child_environment
from unikeras.optimizers import RULES
from unikeras.pool import Task, run_tasks
from unikeras.progress import Display
from unikeras.settings import Settings, validate

PLANT_MODEL = "probe"
STEPS, QUICK_STEPS = 20, 6
DTYPES = {"float32": ("float32",), "float64": ("float64",), "both": ("float32", "float64")}


@dataclasses.dataclass(frozen=True)
class Request:
    """What to check.

    Attributes:
        settings: Model, dataset, backends, learning rate, seed, threads; `optimizer` is the rule of the training steps.
        optimizers: Rules whose updates are compared.
        steps: Teacher-forced steps, and about as many free ones.
        dtype: Key of `DTYPES`.
        full: Whether mixed precision and the accuracy after training are compared, too.
        plant: Name of a fault to plant, or None.
    """

    settings: Settings
    optimizers: tuple[str, ...]
    steps: int
    dtype: str
    full: bool = False
    plant: str | None = None

    @property
    def dtypes(self) -> tuple[str, ...]:
        """Kinds of arithmetic to measure in."""
        return (*DTYPES[self.dtype], "mixed_bfloat16") if self.full else DTYPES[self.dtype]


def make_request(
    settings: Settings,
    *,
    optimizer: str | None = None,
    steps: int | None = None,
    dtype: str | None = None,
    quick: bool = False,
    full: bool = False,
    plant: str | None = None,
) -> Request:
    """A request with the settings that a check needs: small batches, two short epochs, a rate that drops.

    `quick` and `full` are other defaults. A plant brings the update rule and the arithmetic in which it shows, and its model.

    Raises:
        SettingsError: a value is not allowed.
    """
    if quick and full:
        raise SettingsError("--quick and --full can't go together.", cure="Give one of them.")
    if plant is not None:
        planted = plants.find(plant)
        optimizer, dtype = optimizer or planted.optimizer, dtype or planted.dtype
        if settings.model == Settings.model:
            settings = dataclasses.replace(settings, model=PLANT_MODEL)
    optimizer = optimizer or ("all" if full else "adam")
    dtype = dtype or ("both" if full else "float32")
    if optimizer not in (*RULES, "all"):
        raise SettingsError(f"--optimizer can't be {optimizer!r}.", cure=f"Allowed: {', '.join(RULES)}, all.")
    if dtype not in DTYPES:
        raise SettingsError(f"--dtype can't be {dtype!r}.", cure=f"Allowed: {', '.join(DTYPES)}.")
    rules = tuple(RULES) if optimizer == "all" else (optimizer,)
    changes = {"optimizer": "adam" if optimizer == "all" else optimizer, "batch_size": 32, "epochs": 2, "schedule": "step"}
    checked = validate({**vars(settings), **changes}, {})
    return Request(checked, rules, steps or (QUICK_STEPS if quick else STEPS), dtype, full, plant)


def list_plants() -> list[dict[str, Any]]:
    """The faults that can be planted, as JSON values."""
    return [
        {"plant": one.name, "backend": one.backend, "found_in": one.stage, "fault": one.what} for one in plants.PLANTS.values()
    ]


def check(request: Request, display: Display) -> CheckResult:
    """Compares all backends of the request with the reference and with each other.

    Raises:
        UnikerasError: the comparison could not be made.
    """
    started = time.monotonic()
    settings = request.settings
    chosen = backends.select(settings.backend)
    _require_planted(request, chosen)
    keras_file = model_files.locate(settings.model)
    for info in chosen:
        model_files.framework_file(keras_file, info.framework, info.uses_keras)
    dataset = commands.prepare(commands.request_of(settings), display)
    with tempfile.TemporaryDirectory(prefix="unikeras-check-") as folder:
        display.begin_check(1 + len(_measured(request, chosen)) + request.full)
        try:
            reference = _make_reference(request, dataset, Path(folder), display)
            measured = _measure(request, chosen, Path(folder), display)
            trajectory = _read_trajectory(Path(folder))
            accuracy = (
                check_accuracy.measure(settings, chosen, dataset, Path(folder), _cores(), display) if request.full else None
            )
        finally:
            display.end_run()
    return _conclude(request, chosen, reference, measured, trajectory, accuracy, time.monotonic() - started)


def write_report(result: CheckResult, path: Path) -> None:
    """Writes everything about a check into one page.

    Raises:
        SettingsError: the file can't be written.
    """
    from unikeras.report import check as page

    try:
        path.write_text(page.render(result.to_dict()), encoding="utf-8")
    except OSError as error:
        raise _unwritable(path, error.strerror) from None


def require_writable(path: Path) -> Path:
    """The file of a report, before a minute is spent on making it.

    Raises:
        SettingsError: its folder is missing or can't be written.
    """
    if path.is_dir():
        raise _unwritable(path, "it is a folder")
    if not os.access(path.parent, os.W_OK):
        raise _unwritable(path, "its folder is missing or can't be written")
    return path


def _unwritable(path: Path, reason: str | None) -> SettingsError:
    return SettingsError(f"--report can't be written to {path}: {reason}.", cure="Choose another file.")


def _make_reference(request: Request, dataset: Path, folder: Path, display: Display) -> dict[str, Any]:
    info = _reference_backend()
    arguments = {
        "folder": str(folder),
        "backend": info.name,
        "settings": dataclasses.replace(request.settings, threads=_cores()).to_dict(),
        "dataset": str(dataset),
        "steps": request.steps,
        "optimizers": list(request.optimizers),
    }
    task = Task(Job("check_reference", arguments), child_environment(info, _cores()), folder / "reference.log")
    (answer,) = run_tasks([task], 1, display.on_event)
    reference: dict[str, Any] = answer
    return reference


def _reference_backend() -> BackendInfo:
    """Keras on TensorFlow where it is installed, for its float64 is exact; otherwise another Keras."""
    able = [info for info in backends.BACKENDS.values() if info.uses_keras and info.installed]
    if not able:
        raise BackendError("No Keras backend is installed to make the reference.", cure="pip install tensorflow")
    return min(able, key=lambda info: info.name != "tensorflow")


def _measure(
    request: Request, chosen: list[BackendInfo], folder: Path, display: Display
) -> dict[tuple[str, str], dict[str, Any]]:
    """What each backend's worker reports, by backend and dtype. Each has one thread, and there are as many as cores."""
    keys = _measured(request, chosen)
    tasks = [
        Task(
            Job(
                "check_measure", {"folder": str(folder), "backend": info.name, "dtype": dtype, "plant": _plant_for(request, info)}
            ),
            child_environment(info, 1),
            folder / f"{info.name}-{dtype}.log",
        )
        for info, dtype in keys
    ]
    answers = run_tasks(tasks, _cores(), display.on_event)
    return {(info.name, dtype): answer for (info, dtype), answer in zip(keys, answers, strict=True)}


def _measured(request: Request, chosen: list[BackendInfo]) -> list[tuple[BackendInfo, str]]:
    return [(info, dtype) for dtype in request.dtypes for info in chosen]


def _require_planted(request: Request, chosen: list[BackendInfo]) -> None:
    """A planted fault that no checked backend gets would pass for agreement."""
    if request.plant:
        wanted = plants.find(request.plant).backend
        if wanted not in {info.name for info in chosen}:
            raise SettingsError(
                f"--plant {request.plant} goes into {wanted}, which is not checked.", cure="Add it to --backends."
            )


def _plant_for(request: Request, info: BackendInfo) -> str | None:
    return request.plant if request.plant and plants.find(request.plant).backend == info.name else None


def _cores() -> int:
    return max(1, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def _read_trajectory(folder: Path) -> dict[str, Any]:
    import json

    content: dict[str, Any] = json.loads((folder / "trajectory.json").read_text(encoding="utf-8"))
    return content


def _conclude(
    request: Request,
    chosen: list[BackendInfo],
    reference: dict[str, Any],
    measured: dict[tuple[str, str], dict[str, Any]],
    trajectory: dict[str, Any],
    accuracy: tuple[dict[str, Any], dict[str, Figure]] | None,
    seconds: float,
) -> CheckResult:
    judged: list[Judged] = []
    rows, trajectories = [], []
    for dtype in request.dtypes:
        own = {backend: answer for (backend, kind), answer in measured.items() if kind == dtype}
        figures = {backend: [Figure(**fields) for fields in answer["figures"]] for backend, answer in own.items()}
        if accuracy is not None and dtype == request.dtypes[0]:
            for backend, figure in accuracy[1].items():
                figures[backend].append(figure)
        verdicts = judge(figures, dtype)
        envelope = make_envelope(trajectory["center"], trajectory["twins"], dtype)
        losses = {backend: answer["losses"] for backend, answer in own.items() if answer["losses"]}
        for backend, found in losses.items():
            verdicts.append(judge_trajectory(envelope, backend, dtype, found, own[backend]["exact_is_right"]))
        judged += verdicts
        for info in chosen:
            rows += stage_rows(verdicts, info.name, dtype)
        if losses:
            trajectories.append(trajectory_row(envelope, dtype, losses))
    wrong = sorted(
        (one for one in judged if one.kind is not None), key=lambda one: (STAGES.index(one.figure.stage), one.kind == "precision")
    )
    places = [divergence(one) for one in wrong]
    first = {key: places[0][key] for key in ("backend", "stage", "layer", "kind", "looks_like")} if places else None
    return CheckResult(
        agree=not places,
        first_divergence=first,
        divergences=places,
        table=rows,
        trajectory=trajectories,
        reference=reference,
        figures=[figure_row(one) for one in judged],
        settings={
            **{name: value for name, value in request.settings.to_dict().items() if name in SHOWN_SETTINGS},
            "backends": [info.name for info in chosen],
            "optimizers": list(request.optimizers),
            "steps": request.steps,
            "dtype": request.dtype,
            "plant": request.plant,
        },
        environment=provenance.collect(),
        seconds=seconds,
        command=_command(request, chosen),
        accuracy=None if accuracy is None else accuracy[0],
    )


SHOWN_SETTINGS = ("model", "dataset", "image_size", "learning_rate", "normalize", "seed")


def _command(request: Request, chosen: list[BackendInfo]) -> str:
    """The command line that repeats the check."""
    settings, default = request.settings, Settings()
    words = ["unikeras", "check", settings.model, "--backends", ",".join(info.name for info in chosen)]
    words += ["--optimizer", "all" if len(request.optimizers) > 1 else request.optimizers[0]]
    words += ["--steps", str(request.steps), "--dtype", request.dtype, "--seed", str(settings.seed)]
    words += ["--full"] if request.full else []
    for name in ("dataset", "image_size"):
        if getattr(settings, name) != getattr(default, name):
            words += ["--" + name.replace("_", "-"), str(getattr(settings, name))]
    if request.plant:
        words += ["--plant", request.plant]
    return shlex.join(words)
