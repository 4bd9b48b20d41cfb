"""`unikeras bench`, parent side: contestants in processes of their own take turns, and their speeds are compared."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from unikeras import bench_limit, commands, provenance
from unikeras.bench_request import Contestant, Request, describe
from unikeras.bench_statistics import Ratio, ratio, slowdown, verdict
from unikeras.errors import WorkerError
from unikeras.events import Block, Contending, Finished, Job
from unikeras.launcher import ALLOCATOR, Conversation, child_environment, conversation
from unikeras.progress import Display

TURN_SECONDS = 0.5
MOST_STEPS = 500  # of a turn
BUSY_LOAD = 0.3  # processes that want to run, per core, before anything has started
TOLERANCES = {"float32": 1e-3, "float64": 1e-9, "mixed_bfloat16": 5e-2}  # of the first losses, relative


@dataclasses.dataclass
class Runner:
    """A contestant that is ready to race.

    Attributes:
        steps: Of a turn.
        rounds: Seconds per image in each round.
        peak_memory_mb: Known at the end.
    """

    contestant: Contestant
    worker: Conversation
    ready: Contending
    steps: int = 1
    rounds: list[float] = dataclasses.field(default_factory=list)
    peak_memory_mb: float = 0.0

    def run(self) -> Block:
        """One turn."""
        self.worker.say(str(self.steps))
        return _block(self.worker)


def bench(request: Request, display: Display) -> dict[str, Any]:
    """Races all contestants at each batch size; figures as JSON values.

    Raises:
        UnikerasError: a contestant failed, or doesn't train the same as the others.
    """
    load = os.getloadavg()[0] / (os.cpu_count() or 1)
    warnings = [f"The machine is busy (load {load:.1f} a core): speeds are lower than they could be."] if load > BUSY_LOAD else []
    dataset = commands.prepare(commands.request_of(request.settings), display)
    display.begin_bench(len(request.batch_sizes) * (bench_limit.stages(request) + len(request.contestants) + request.rounds))
    try:
        races = [_race(request, size, dataset, display) for size in request.batch_sizes]
    finally:
        display.end_run()
    for race in races:
        if race["slowdown"] > 1.1:
            warnings.append(
                f"At batch size {race['batch_size']} the machine was {race['slowdown']:.2f} times slower at the end than at the "
                "beginning: it is throttled, or other work has begun."
            )
    return {
        "settings": describe(request),
        "races": races,
        "warnings": warnings,
        "environment": provenance.collect(),
        "date": time.strftime("%Y-%m-%d"),
    }


def _race(request: Request, batch_size: int, dataset: Path, display: Display) -> dict[str, Any]:
    settings = dataclasses.replace(request.settings, batch_size=batch_size)
    limits = bench_limit.measure(request, settings, dataset, display)
    rng = random.Random(request.settings.seed)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="unikeras-bench-")))
        runners = []
        for number, contestant in enumerate(request.contestants):
            display.bench_progress(f"batch {batch_size}: {contestant.name} starts")
            place = folder / str(number)
            place.mkdir()
            runners.append(_start(stack, contestant, dataclasses.replace(settings, backend=contestant.backend), dataset, place))
            _require_equal_losses(runners[0], runners[-1], TOLERANCES[settings.dtype])
        for runner in runners:
            _set_turn_length(runner)
        for number in range(request.rounds):
            display.bench_progress(f"batch {batch_size}: round {number + 1} of {request.rounds}")
            _round(rng.sample(runners, len(runners)))
        for runner in runners:
            runner.worker.say("end")
            runner.peak_memory_mb = _finish(runner.worker)
    return bench_limit.joined(_conclude(request, batch_size, runners), limits, request.contestants)


def _start(stack: contextlib.ExitStack, contestant: Contestant, settings: Any, dataset: Path, folder: Path) -> Runner:
    environment = child_environment(contestant.info, settings.threads)
    if contestant.is_stock:
        environment = {name: value for name, value in environment.items() if name not in ALLOCATOR}
    arguments = {
        "module": contestant.module,
        "settings": settings.to_dict(),
        "dataset": str(dataset),
        "folder": str(folder),
        "launched_at": time.monotonic(),
    }
    worker = stack.enter_context(conversation(Job("bench", arguments), environment, folder / "worker.log"))
    return Runner(contestant, worker, _hear(worker, Contending))


def _require_equal_losses(first: Runner, other: Runner, tolerance: float) -> None:
    """Those who don't compute the same can't be compared.

    Raises:
        WorkerError: the first losses of one are not those of the other.
    """
    pairs = zip(first.ready.losses, other.ready.losses, strict=True)
    for step, (expected, received) in enumerate(pairs, start=1):
        if not abs(received - expected) <= tolerance * abs(expected):
            raise WorkerError(
                f"{other.contestant.name} trains something else than {first.contestant.name}: at step {step} its loss is "
                f"{received:.6g} instead of {expected:.6g}.",
                cure="`unikeras check` tells where backends part. Models with dropout can't race: their masks differ.",
            )


def _set_turn_length(runner: Runner) -> None:
    """So many steps that a turn takes `TURN_SECONDS`; the first turn of a few steps is only for warming up."""
    runner.steps = 3
    runner.run()
    block = runner.run()
    runner.steps = min(max(1, round(runner.steps * TURN_SECONDS / block.seconds)), MOST_STEPS)


def _round(order: list[Runner]) -> None:
    """Everybody has two turns, there and back (A B B A), so that a drift of the machine's speed cancels."""
    seconds = dict.fromkeys((runner.contestant.name for runner in order), 0.0)
    images = dict.fromkeys(seconds, 0)
    for runner in [*order, *reversed(order)]:
        block = runner.run()
        seconds[runner.contestant.name] += block.seconds
        images[runner.contestant.name] += block.images
    for runner in order:
        runner.rounds.append(seconds[runner.contestant.name] / images[runner.contestant.name])


def _conclude(request: Request, batch_size: int, runners: list[Runner]) -> dict[str, Any]:
    rounds = {runner.contestant.name: runner.rounds for runner in runners}
    noise = ratio(rounds[runners[-1].contestant.name], rounds[runners[0].contestant.name])
    return {
        "batch_size": batch_size,
        "contestants": [_row(runner) for runner in runners],
        "ratios": [_compared(name, rival, ratio(rounds[name], rounds[rival]), noise) for name, rival in request.pairs],
        "noise": dataclasses.asdict(noise),
        "slowdown": slowdown(list(rounds.values())),
    }


def _compared(name: str, rival: str, found: Ratio, noise: Ratio) -> dict[str, Any]:
    return {"contestant": name, "rival": rival, **dataclasses.asdict(found), "verdict": verdict(found, noise)}


def _row(runner: Runner) -> dict[str, Any]:
    return {
        "name": runner.contestant.name,
        "variant": runner.ready.variant,
        "import_seconds": runner.ready.seconds["import"],
        "build_seconds": runner.ready.seconds["build"],
        "first_step_seconds": runner.ready.seconds["first_step"],
        "images_per_second": 1 / statistics.median(runner.rounds),
        "evaluation_images_per_second": runner.ready.evaluation,
        "peak_memory_mb": runner.peak_memory_mb,
        "rounds": runner.rounds,
    }


def _block(worker: Conversation) -> Block:
    block: Block = _hear(worker, Block)
    return block


def _finish(worker: Conversation) -> float:
    memory: float = _hear(worker, Finished).result["peak_memory_mb"]
    return memory


def _hear(worker: Conversation, kind: type) -> Any:
    """The worker's next event of a kind; what unikeras' own training reports on the way is passed over."""
    while True:
        event = worker.hear()
        if isinstance(event, kind):
            return event
