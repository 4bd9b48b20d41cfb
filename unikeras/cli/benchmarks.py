"""The command that measures speed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import rich_click as click

from unikeras.cli.options import PLACES, debug_option, display, given, json_option, options_of, quiet_option
from unikeras.printing import console, print_json
from unikeras.settings import Settings, resolve


@click.command()
@click.option("--backends", metavar="B,B", default="all", show_default=True, help="Backends to measure, or all installed ones.")
@options_of("model")
@click.option("--dataset", metavar="TEXT", help="Dataset to train on. [default: random:32x32x3:10:20480, as large as CIFAR-10's]")
@options_of("image_size")
@click.option("--batch-size", "batch_sizes", metavar="N,N", help="Images in a step, one race for each. [default: 64,256]")
@click.option(
    "--against",
    metavar="NAME,NAME|none",
    help="What to race against: keras-fit, hand (written in the framework alone), lightning, bare (the backend's step without "
    "a loop around it), float32 (the backend itself, to see what --dtype mixed_bfloat16 gains). [default: keras-fit,hand]",
)
@click.option("--rounds", type=click.IntRange(min=1), metavar="N", help="In each, all have two turns. [default: 15]")
@click.option("--limit", is_flag=True, help="Measure what the machine allows at most, and show each speed's share of it.")
@click.option(
    "--to-accuracy", type=float, metavar="SHARE", help="No race: the time from the start of a process to this test accuracy."
)
@click.option("--seeds", type=click.IntRange(min=1), metavar="N", help="Trainings of each with --to-accuracy. [default: 3]")
@click.option(
    "--epochs",
    type=click.IntRange(min=1),
    metavar="N",
    help=f"Of a training with --to-accuracy, at most. [default: {Settings.epochs}]",
)
@click.option("--report", type=click.Path(path_type=Path), metavar="FILE.html", help="Write everything into one offline page.")
@options_of("optimizer", "learning_rate", "dtype", "threads", "seed", "normalize", "augment", *PLACES)
@json_option
@quiet_option
@debug_option
def bench(
    backends: str,
    batch_sizes: str | None,
    against: str | None,
    rounds: int | None,
    to_accuracy: float | None,
    seeds: int | None,
    epochs: int | None,
    limit: bool,
    report: Path | None,
    json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Measure how fast backends train, beside stock Keras and loops written by hand.

    Each contestant is a process of its own. All start from the same weights and must have the same losses; then they take turns
    of half a second, in random order, and the ratios of their speeds are taken round by round. The first backend runs twice: what
    parts it from itself is noise, and nothing is called faster within it. Measure on a machine that does nothing else.

    With --to-accuracy each trains alone, once for every seed, until its test accuracy after an epoch is the one that is wanted,
    for --epochs at most; the data are digits, unless others are named.
    """
    from unikeras import bench_command, bench_printing, bench_request
    from unikeras.reporting import bench as bench_page
    from unikeras.reporting import files

    defaults = {} if to_accuracy is not None else {"dataset": bench_request.DATASET}
    settings = resolve({**given(options), "backend": backends}, defaults=defaults)
    request = bench_request.make_request(
        settings,
        batch_sizes=batch_sizes,
        against=against,
        rounds=rounds,
        limit=limit,
        to_accuracy=to_accuracy,
        seeds=seeds,
        epochs=epochs,
    )
    if report is not None:
        files.require_writable(report)
    result = bench_command.bench(request, display(json, quiet))
    if report is not None:
        files.write(bench_page.render(result), report)
    if json:
        print_json(result)
    else:
        bench_printing.print_result(result, console())
