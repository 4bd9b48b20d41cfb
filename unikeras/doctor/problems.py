"""Combinations that are known to go wrong or to be slow, each with what to do: one function per kind."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping

from unikeras.doctor.folders import Folder
from unikeras.doctor.machine import Machine
from unikeras.doctor.software import Software, is_older

GIB = 1 << 30
BUSY_LOAD = 0.5  # processes that want to run, per core, before doctor has started anything
LEAST_MEMORY = 2 * GIB  # a worker with `cnn` takes up to 1.1 GB (docs/performance.md), and its parent and the page cache some
LEAST_DISK = GIB  # checkpoints, and arrays as large as CIFAR-10's
KERAS_BACKENDS = ("tensorflow", "torch")


@dataclasses.dataclass(frozen=True)
class Facts:
    """What the rules look at.

    Attributes:
        threads: The setting, None if it isn't given.
    """

    machine: Machine
    software: Software
    folders: tuple[Folder, ...]
    environment: Mapping[str, str]
    threads: int | None


@dataclasses.dataclass(frozen=True)
class Problem:
    """One finding.

    Attributes:
        name: For scripts.
        text: What is wrong, with the values found.
        cure: What to do.
    """

    name: str
    text: str
    cure: str


def find(facts: Facts) -> list[Problem]:
    """All problems, those that break something before those that cost time."""
    return [problem for rule in RULES for problem in rule(facts)]


def _old(facts: Facts) -> Iterator[Problem]:
    """Keras before 3.15 on torch makes arrays in a way that NumPy 2 has given up; all minimums have such reasons."""
    for name, minimum in facts.software.minimums.items():
        version = facts.software.versions.get(name)
        if version is not None and is_older(version, minimum):
            text = f"{name} {version} is older than {minimum}, with which unikeras was made."
            yield Problem("old-package", text, f"pip install '{name}>={minimum}'")


def _strangers(facts: Facts) -> Iterator[Problem]:
    for name, place in facts.software.strangers.items():
        text = f"`import {name}` finds {place}, which does not belong to an installed package {name}."
        cure = "Take its folder out of PYTHONPATH, or rename it."
        yield Problem("shadowed-package", text, cure if "PYTHONPATH" in facts.environment else "Rename or remove it.")


def _twins(facts: Facts) -> Iterator[Problem]:
    for twin, name in facts.software.twins:
        text = f"{twin} and {name} are both installed, and write the same files: which of them is there depends on the order."
        yield Problem("two-packages-in-one-place", text, f"pip uninstall -y {twin} {name} && pip install {name}")


def _avx(facts: Facts) -> Iterator[Problem]:
    """TensorFlow's wheels have needed AVX since 1.6, and end with SIGILL without (tensorflow/tensorflow#17411)."""
    if facts.machine.has_avx is False and facts.software.versions.get("tensorflow"):
        text = "The processor has no AVX instructions, which TensorFlow's wheels need: importing it dies with SIGILL."
        yield Problem("no-avx", text, "Use --backend torch or native-torch here, or build TensorFlow for this processor.")


def _keras_backend(facts: Facts) -> Iterator[Problem]:
    """What a plain `import keras` would take; unikeras sets it for each of its workers."""
    variable, path = facts.environment.get("KERAS_BACKEND"), facts.software.keras_config
    written = facts.software.keras_values.get("backend") if path else None
    chosen = variable or written
    where = "KERAS_BACKEND" if variable else str(path)
    if chosen is not None and chosen not in KERAS_BACKENDS:
        text = f"{where} chooses {chosen}, which unikeras has no backend for: it trains on those below all the same."
        yield Problem("unknown-keras-backend", text, f"For your own `import keras`: export KERAS_BACKEND={KERAS_BACKENDS[0]}")
    elif variable and written and variable != written:
        text = f"KERAS_BACKEND is {variable}, and {path} says {written}: your own `import keras` takes {variable}."
        yield Problem("two-keras-backends", text, "Choose one. unikeras' workers heed neither: --backend decides.")


def _keras_values(facts: Facts) -> Iterator[Problem]:
    """Unikeras' backends put these right before they build a model; processes of pytest's marker don't build it for you."""
    usual = {"floatx": "float32", "image_data_format": "channels_last", "epsilon": 1e-7}
    found = facts.software.keras_values
    unusual = [f"{name} {found[name]}" for name, value in usual.items() if found.get(name, value) != value]
    if unusual:
        text = (
            f"{facts.software.keras_config} says {', '.join(unusual)}: training ignores it, but your own `import keras` does not."
        )
        yield Problem("unusual-keras-config", text, "Remove these lines, or tests and scripts see another model than `train`.")


def _gpu(facts: Facts) -> Iterator[Problem]:
    cuda = facts.software.cuda_build
    if facts.machine.gpus and cuda is False:
        text = f"There is a GPU ({facts.machine.gpus[0]}), and torch {facts.software.versions['torch']} is built without CUDA."
        yield Problem(
            "gpu-unused", text, "Install the build for your version of CUDA that torch's own page of instructions names."
        )
    if not facts.machine.gpus and cuda:
        text = f"torch {facts.software.versions['torch']} is built for NVIDIA's GPUs, and none can be seen: it runs on the CPU."
        cure = "With a GPU here, see that `nvidia-smi` lists it. Without one, torch's CPU build takes gigabytes less disk."
        yield Problem("cuda-without-gpu", text, cure)


def _memory(facts: Facts) -> Iterator[Problem]:
    available = facts.machine.memory_available
    if available is not None and available < LEAST_MEMORY:
        text = f"{available / GIB:.1f} GiB of memory are free; a worker takes up to 1.1 GiB, and the system needs some."
        yield Problem(
            "little-memory", text, "Close other programs, or give the container more; a smaller --batch-size helps a bit."
        )


def _disk(facts: Facts) -> Iterator[Problem]:
    for folder in facts.folders:
        if not folder.writable:
            yield Problem("not-writable", f"{folder.path} can't be written.", "Use --cache-dir and --output for other folders.")
        elif folder.free < LEAST_DISK:
            text = f"{folder.free / GIB:.1f} GiB are free on the disk of {folder.path}."
            yield Problem("little-disk", text, "Make room, or use --cache-dir and --output for another disk.")


def _quota(facts: Facts) -> Iterator[Problem]:
    quota, cores = facts.machine.cpu_quota, facts.machine.usable_cores
    wanted = _threads(facts)
    if quota is not None and quota < cores and wanted is None:
        text = f"The container may use {quota:g} of {cores} cores, and frameworks start a thread for each: they are throttled."
        yield Problem("cpu-quota", text, f"--threads {facts.machine.free_cores}, or export UNIKERAS_THREADS.")


def _too_many_threads(facts: Facts) -> Iterator[Problem]:
    wanted, free = _threads(facts), facts.machine.free_cores
    if wanted is not None and wanted > free:
        cores = "1 core is" if free == 1 else f"{free} cores are"
        text = f"{wanted} threads are asked for, and {cores} there: torch's threads wait for each other."
        yield Problem("too-many-threads", text, f"--threads {free}, or set UNIKERAS_THREADS or OMP_NUM_THREADS to it.")


def _busy(facts: Facts) -> Iterator[Problem]:
    """Threads of torch wait for each other actively (docs/performance.md)."""
    load, cores = facts.machine.load, facts.machine.usable_cores
    if load / cores > BUSY_LOAD and (_threads(facts) or facts.machine.free_cores) > 1:
        text = f"The machine is busy (load {load:g} on {cores} cores): torch can be ten times slower."
        yield Problem("busy-machine", text, "Let the other work end, or use --threads 1. Don't measure speeds now.")


def _threads(facts: Facts) -> int | None:
    """What the settings or the environment ask for."""
    variable = facts.environment.get("OMP_NUM_THREADS", "")
    return facts.threads or (int(variable) if variable.isdigit() and int(variable) else None)


RULES: tuple[Callable[[Facts], Iterator[Problem]], ...] = (
    _old, _strangers, _twins, _avx, _memory, _disk, _gpu, _keras_backend, _keras_values, _quota, _too_many_threads, _busy,
)  # fmt: skip
