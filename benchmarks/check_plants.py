"""Does `unikeras check` find, place and name the faults that can be planted? Tries them all, or those that are named.

    python benchmarks/check_plants.py [NAME…]

Each fault is planted into the model `probe` on its backend, and judged without the noise of others. A backend's process
loads its framework once and forks for each fault. Prints a JSON object per fault, then a summary; exit code 1 if one was not
found.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from unikeras import backends
from unikeras.checking import plants
from unikeras.launcher import child_environment

STEPS = 6


def main() -> int:
    if sys.argv[1:2] == ["--role"]:
        return _ROLES[sys.argv[2]](Path(sys.argv[3]), sys.argv[4], sys.argv[5:])
    chosen = [plants.find(name) for name in sys.argv[1:] or plants.PLANTS]
    with tempfile.TemporaryDirectory(prefix="plants-") as name:
        folder = Path(name)
        for optimizer in dict.fromkeys(plant.optimizer for plant in chosen):
            _wait(_start("reference", "tensorflow", folder, [optimizer]))
        workers = [
            _start("measure", backend, folder, [plant.name for plant in chosen if plant.backend == backend])
            for backend in dict.fromkeys(plant.backend for plant in chosen)
        ]
        for worker in workers:
            _wait(worker)
        verdicts = [_judge(folder, plant) for plant in chosen]
    for verdict in verdicts:
        print(json.dumps(verdict, ensure_ascii=False))
    counts = {key: sum(verdict[key] for verdict in verdicts) for key in ("found", "placed", "named")}
    print(json.dumps({"faults": len(verdicts), **counts}))
    return 0 if counts["found"] == len(verdicts) else 1


def _start(role: str, backend: str, folder: Path, names: list[str]) -> subprocess.Popen[str]:
    command = [sys.executable, __file__, "--role", role, str(folder), backend, *names]
    environment = child_environment(backends.BACKENDS[backend], 1)
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def _wait(worker: subprocess.Popen[str]) -> None:
    _, errors = worker.communicate()
    if worker.returncode:
        sys.exit(errors[-3000:])


def _reference(folder: Path, backend: str, optimizers: list[str]) -> int:
    from unikeras.checking import reference
    from unikeras.data import prepare
    from unikeras.data.locate import Request
    from unikeras.settings import Settings

    dataset = str(prepare.prepare(Request("digits", None, None, None), lambda event: None))
    for optimizer in optimizers:
        settings = Settings(model="probe", batch_size=32, epochs=2, schedule="step", threads=1, optimizer=optimizer).to_dict()
        (folder / optimizer).mkdir()
        reference.make(lambda event: None, str(folder / optimizer), backend, settings, dataset, STEPS, [optimizer])
    return 0


def _measure(folder: Path, backend: str, names: list[str]) -> int:
    from unikeras.checking import measure

    backends.load(backend)
    for name in names:
        plant = plants.find(name)
        started = time.perf_counter()
        if os.fork() == 0:
            measured = measure.measure(lambda event: None, str(folder / plant.optimizer), backend, plant.dtype, name)
            measured["seconds"] = time.perf_counter() - started
            (folder / f"{name}.json").write_text(json.dumps(measured))
            os._exit(0)
        os.wait()
    return 0


_ROLES = {"reference": _reference, "measure": _measure}


def _judge(folder: Path, plant: plants.Plant) -> dict[str, Any]:
    """Whether the fault was found, at its stage and layer, and by the right name."""
    from unikeras.checking.figures import Figure
    from unikeras.checking.judge import judge, judge_trajectory, make_envelope
    from unikeras.checking.result import divergence

    path = folder / f"{plant.name}.json"
    if not path.exists():
        return {"plant": plant.name, "found": False, "placed": False, "named": False, "error": "its process died"}
    measured = json.loads(path.read_text())
    judged = judge({plant.backend: [Figure(**fields) for fields in measured["figures"]]}, plant.dtype)
    if measured["losses"]:
        trajectory = json.loads((folder / plant.optimizer / "trajectory.json").read_text())
        envelope = make_envelope(trajectory["center"], trajectory["twins"], plant.dtype)
        judged.append(judge_trajectory(envelope, plant.backend, plant.dtype, measured["losses"], measured["exact_is_right"]))
    wrong = [divergence(one) for one in judged if one.kind is not None]
    if not wrong:
        return {"plant": plant.name, "backend": plant.backend, "found": False, "placed": False, "named": False}
    first, words = wrong[0], wrong[0]["looks_like"] or ""
    return {
        "plant": plant.name,
        "backend": plant.backend,
        "found": True,
        "placed": first["stage"] == plant.stage and plant.layer in (None, first["layer"]),
        "named": bool(words) and (plant.looks_like or "") in words.lower(),
        "stage": first["stage"],
        "layer": first["layer"],
        "kind": first["kind"],
        "looks_like": first["looks_like"],
        "seconds": round(measured["seconds"], 1),
    }


if __name__ == "__main__":
    sys.exit(main())
