"""`unikeras bench`, parent side: contestants in processes of their own take turns, and their speeds are compared."""

from __future__ import annotations

import contextlib
import dataclasses
import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from unikeras import bench_accuracy, bench_limit, bench_machine, commands, provenance
from unikeras.bench_contestant import Contestant, Started, require_equal_losses
from unikeras.bench_request import Request, command_line, describe
from unikeras.bench_statistics import Ratio, ratio, slowdown, verdict
from unikeras.events import Block, Contending, Finished
from unikeras.launcher import Conversation, conversation
from unikeras.progress import Display
from unikeras.run import LOG
from unikeras.settings import Settings

TURN_SECONDS = 0.5
WARM_UP_SECONDS = 2.0  # at most
MOST_STEPS = 500  # of a turn


@dataclasses.dataclass
class Runner:
    """A contestant that is ready to race.

    Attributes:
        steps: Of a turn.
        rounds: Seconds per image in each round.
        result: `peak_memory_mb` and `epoch_samples`, known at the end.
    """

    contestant: Contestant
    worker: Conversation
    ready: Contending
    steps: int = 1
    rounds: list[float] = dataclasses.field(default_factory=list)
    result: dict[str, float] = dataclasses.field(default_factory=dict)

    @property
    def started(self) -> Started:
        return self.contestant.name, self.ready.losses

    def run(self) -> Block:
        """One turn."""
        self.worker.say(str(self.steps))
        return _block(self.worker)


def bench(request: Request, display: Display) -> dict[str, Any]:
    """Races all contestants at each batch size; figures as JSON values.

    Raises:
        UnikerasError: a contestant failed, or doesn't train the same as the others.
    """
    dataset = commands.prepare(commands.request_of(request.settings), display)
    before = bench_machine.snapshot()
    kind, measure = ("races", _race) if request.to_accuracy is None else ("accuracy_races", bench_accuracy.measure)
    measured: dict[str, list[dict[str, Any]]] = {"races": [], "accuracy_races": []}
    display.begin_bench(len(request.batch_sizes) * _stages(request))
    try:
        measured[kind] = [measure(request, size, dataset, display) for size in request.batch_sizes]
    finally:
        display.end_run()
    machine = bench_machine.describe(before, bench_machine.snapshot())
    return {
        "settings": describe(request),
        **measured,
        "warnings": [*bench_machine.warnings(machine), *_slower_and_slower(measured["races"])],
        "environment": provenance.collect(),
        "machine": machine,
        "command": command_line(request),
        "date": time.strftime("%Y-%m-%d"),
    }


def _stages(request: Request) -> int:
    """Steps of the progress for one batch size."""
    if request.to_accuracy is not None:
        return bench_accuracy.stages(request)
    return bench_limit.stages(request) + len(request.contestants) + request.rounds


def _slower_and_slower(races: list[dict[str, Any]]) -> list[str]:
    return [
        f"At batch size {race['batch_size']} the machine was {race['slowdown']:.2f} times slower at the end than at the "
        "beginning: it is throttled, or other work has begun."
        for race in races
        if race["slowdown"] > 1.1
    ]


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
            runners.append(_start(stack, contestant, settings, dataset, place))
            require_equal_losses(runners[0].started, runners[-1].started, settings.dtype)
        for runner in runners:
            _warm_up(runner, min(WARM_UP_SECONDS, request.rounds * TURN_SECONDS))
        for number in range(request.rounds):
            display.bench_progress(f"batch {batch_size}: round {number + 1} of {request.rounds}")
            _round(rng.sample(runners, len(runners)))
        for runner in runners:
            runner.worker.say("end")
            runner.result = _hear(runner.worker, Finished).result
    return bench_limit.joined(_conclude(request, batch_size, runners), limits, request.contestants)


def _start(stack: contextlib.ExitStack, contestant: Contestant, settings: Settings, dataset: Path, folder: Path) -> Runner:
    job, environment = contestant.job("bench", settings, dataset, folder), contestant.environment(settings.threads)
    worker = stack.enter_context(conversation(job, environment, folder / LOG))
    return Runner(contestant, worker, _hear(worker, Contending))


def _warm_up(runner: Runner, seconds: float) -> None:
    """Trains for some time, in which a contestant may compile, and sets so many steps that a turn takes `TURN_SECONDS`."""
    runner.steps = 3
    block, spent = runner.run(), 0.0
    while spent < seconds:
        block = runner.run()
        spent += block.seconds
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
    seconds, speed, samples = runner.ready.seconds, 1 / statistics.median(runner.rounds), runner.result["epoch_samples"]
    first_epoch = sum(seconds.values()) + samples / speed + samples / runner.ready.evaluation
    return {
        "name": runner.contestant.name,
        "variant": runner.ready.variant,
        **{f"{part}_seconds": seconds[part] for part in ("import", "build", "first_step")},
        "images_per_second": speed,
        "evaluation_images_per_second": runner.ready.evaluation,
        "end_to_end_images_per_second": samples / first_epoch,
        "peak_memory_mb": runner.result["peak_memory_mb"],
        "rounds": runner.rounds,
    }


def _block(worker: Conversation) -> Block:
    block: Block = _hear(worker, Block)
    return block


def _hear(worker: Conversation, kind: type) -> Any:
    """The worker's next event of a kind; what unikeras' own training reports on the way is passed over."""
    while True:
        event = worker.hear()
        if isinstance(event, kind):
            return event
