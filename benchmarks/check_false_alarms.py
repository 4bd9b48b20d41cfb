"""How often `unikeras check` finds something where nothing was planted: over many seeds, on all backends, in float32.

    python benchmarks/check_false_alarms.py [--first 0] [--seeds 200] [--jobs 2] [--model probe] [--steps 6]

Every seed has its own initial weights, batches and reference. A backend goes through ten seeds in one process, for starting a
framework takes longer than checking a small model; `--jobs` is how many processes run at a time. Prints a line for every false
alarm and a summary as JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from unikeras import backends
from unikeras.launcher import child_environment

AT_ONCE = 10  # seeds that a process goes through


def main() -> int:
    options = _parse()
    if options.role is not None:
        return _work(options)
    names = [info.name for info in backends.select("all")]
    seeds = range(options.first, options.first + options.seeds)
    parts = [seeds[start : start + AT_ONCE] for start in range(0, len(seeds), AT_ONCE)]
    done = compared = alarms = 0
    worst: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="false-alarms-") as folder, ThreadPoolExecutor(options.jobs) as pool:
        for part in pool.map(lambda part: _measure(folder, part, names, options), parts):
            for seed in part:
                found, count = _judge(Path(folder) / str(seed), seed, names, worst)
                done, alarms, compared = done + 1, alarms + found, compared + count
                shutil.rmtree(Path(folder) / str(seed))
            print(f"{done} seeds: {alarms} false alarms in {compared:,} comparisons", flush=True)
    print(json.dumps({"seeds": options.seeds, "comparisons": compared, "false_alarms": alarms, "worst_ratio": worst}, indent=2))
    return 1 if alarms else 0


def _measure(folder: str, seeds: range, names: list[str], options: argparse.Namespace) -> range:
    """Leaves the figures of some seeds in the folder."""
    _run("reference", "tensorflow", folder, seeds, options)
    for name in names:
        _run("measure", name, folder, seeds, options)
    return seeds


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--model", default="probe")
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--role", choices=["reference", "measure"], help=argparse.SUPPRESS)
    parser.add_argument("--backend", help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    parser.add_argument("--only", help=argparse.SUPPRESS)
    return parser.parse_args()


def _run(role: str, backend: str, folder: str, seeds: range, options: argparse.Namespace) -> None:
    command = [sys.executable, __file__, "--role", role, "--backend", backend, "--folder", folder, "--model", options.model]
    command += ["--steps", str(options.steps), "--only", f"{seeds.start}:{seeds.stop}"]
    environment = child_environment(backends.BACKENDS[backend], 1)
    finished = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if finished.returncode:
        sys.exit(f"{role} on {backend} failed:\n{finished.stderr[-3000:]}")


def _work(options: argparse.Namespace) -> int:
    """In a backend's process: all seeds, one after the other."""
    from unikeras.checking import measure, reference
    from unikeras.data import prepare
    from unikeras.data.locate import Request
    from unikeras.settings import Settings

    dataset = str(prepare.prepare(Request("digits", None, None, None), lambda event: None))
    start, stop = map(int, options.only.split(":"))
    for seed in range(start, stop):
        folder = Path(options.folder) / str(seed)
        if options.role == "reference":
            folder.mkdir()
            settings = Settings(model=options.model, seed=seed, batch_size=32, epochs=2, schedule="step", threads=1)
            reference.make(lambda event: None, str(folder), options.backend, settings.to_dict(), dataset, options.steps, ["adam"])
        else:
            measured = measure.measure(lambda event: None, str(folder), options.backend, "float32")
            (folder / f"{options.backend}.measured").write_text(json.dumps(measured))
    return 0


def _judge(folder: Path, seed: int, names: list[str], worst: dict[str, float]) -> tuple[int, int]:
    """False alarms and comparisons of one seed."""
    from unikeras.checking.figures import Figure
    from unikeras.checking.judge import judge, judge_trajectory, make_envelope

    measured = {name: json.loads((folder / f"{name}.measured").read_text()) for name in names}
    judged = judge({name: [Figure(**fields) for fields in answer["figures"]] for name, answer in measured.items()}, "float32")
    trajectory = json.loads((folder / "trajectory.json").read_text())
    envelope = make_envelope(trajectory["center"], trajectory["twins"], "float32")
    for name, answer in measured.items():
        judged.append(judge_trajectory(envelope, name, "float32", answer["losses"], answer["exact_is_right"]))
    for one in judged:
        if one.kind is not None:
            print(f"seed {seed}: {one.backend} {one.figure} bound {one.bound:.2e}", flush=True)
        elif not one.jump:
            worst[one.figure.stage] = max(worst.get(one.figure.stage, 0.0), one.ratio)
    return len({(one.backend, one.dtype) for one in judged if one.kind is not None}), len(judged)


if __name__ == "__main__":
    sys.exit(main())
