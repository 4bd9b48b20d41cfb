"""Commands that make runs, list them, and use finished ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from unikeras import sinks
from unikeras.cli.options import (
    PLACES,
    config_option,
    debug_option,
    display,
    given,
    json_option,
    options_of,
    quiet_option,
    sink_options,
)  # fmt: skip
from unikeras.printing import console, print_json, print_table
from unikeras.settings import FIELDS, resolve

if TYPE_CHECKING:
    from unikeras.run import Run

CHANGEABLE = ("backend", "epochs", "threads", "log_every", "checkpoint_every", "max_restarts", "on_nan", *PLACES)  # at a resume
RESULT_KEYS = (
    "backend", "run", "epochs", "steps", "train_loss", "test_loss", "test_accuracy", "images_per_second", "train_seconds",
    "startup_seconds", "peak_memory_mb", "weights_sha256",
)  # fmt: skip


@click.command()
@options_of(*FIELDS)
@config_option
@click.option(
    "--report", type=click.Path(path_type=Path), metavar="FILE.html", help="Write the finished runs into one offline page."
)
@sink_options
@json_option
@quiet_option
@debug_option
def train(config: Path | None, report: Path | None, json: bool, quiet: bool, **options: Any) -> None:
    """Train a model on one backend or several, from the same weights and batches.

    Every option can also stand in the file given with --config, or in an environment variable such as UNIKERAS_BATCH_SIZE; an
    option given here wins over the environment, and that over the file.

    Where --output holds an unfinished run, the same command goes on with it. Ctrl-C finishes the step and saves; a second one
    ends at once.
    """
    wanted, settings = sinks.choose(given(options))
    resolved = resolve(settings, config)
    from unikeras import commands

    if report is not None:
        from unikeras.reporting import files

        files.require_writable(report)
    finished = commands.train(resolved, display(json, quiet), wanted)
    if report is not None:
        from unikeras import report_command

        report_command.report([run.path for run in finished], report, display(json, quiet=True), option="--report")
    _print_runs(finished, json)


@click.command()
@click.argument("run", metavar="RUN")
@options_of(*CHANGEABLE)
@sink_options
@json_option
@quiet_option
@debug_option
def resume(run: str, json: bool, quiet: bool, **options: Any) -> None:
    """Go on with a run that was interrupted, or give a finished one more --epochs.

    The run's own settings hold, but for the options given here. On the same backend and machine the result is that of an unbroken
    run, to the bit. On another --backend it goes on from the same weights, optimiser state, step and batch.
    """
    from unikeras import commands

    wanted, changes = sinks.choose(given(options))
    _print_runs([commands.resume(Path(run), changes, display(json, quiet), wanted)], json)


@click.command()
@click.argument("folder", metavar="[DIR]", default="runs", type=click.Path(path_type=Path))
@json_option
@debug_option
def runs(folder: Path, json: bool) -> None:
    """Runs in a folder (runs/ if not given): running, finished, resumable, or crashed before a first checkpoint."""
    from unikeras import run_list

    rows = run_list.list_runs(folder)
    if json:
        return print_json({"runs": rows})
    if not rows:
        console().print(f"no runs in {folder}", highlight=False)
        return None
    return print_table([_run_words(row) for row in rows])


@click.command()
@click.argument("run", metavar="RUN")
@click.option("--backend", metavar="B", help="Evaluate on this backend, not on the one of the run.")
@options_of(*PLACES)
@json_option
@debug_option
def evaluate(run: str, backend: str | None, json: bool, **options: str | None) -> None:
    """Loss and accuracy of a finished run on its test images."""
    from unikeras import commands

    places = resolve(given(options))
    answer = commands.evaluate(_load_run(run), backend, places.data_dir, places.cache_dir, display(json, quiet=True))
    if json:
        return print_json(answer)
    text = f"test accuracy {answer['test_accuracy']:.2%}, test loss {answer['test_loss']:.4f} on {answer['backend']}"
    console().print(text, highlight=False)


@click.command()
@click.argument("run", metavar="RUN")
@click.argument("images", metavar="IMAGE…", nargs=-1, required=True)
@click.option("--backend", metavar="B", help="Predict on this backend, not on the one of the run.")
@click.option("--top", type=click.IntRange(min=1), default=3, show_default=True, help="Classes to name per image.")
@json_option
@debug_option
def predict(run: str, images: tuple[str, ...], backend: str | None, top: int, json: bool) -> None:
    """The most probable classes of image files, or of the rows of one .npy file. RUN may be an exported file, too."""
    from unikeras import export_command

    answer = export_command.predict(run, [Path(image) for image in images], backend, top, display(json, quiet=True))
    if json:
        return print_json(answer)
    from rich.markup import escape

    output = console()
    for prediction in answer["predictions"]:
        classes = ", ".join(f"{escape(c['name'])} {c['probability']:.1%}" for c in prediction["classes"])
        output.print(f"[bold]{escape(prediction['image'])}[/]  {classes}", highlight=False, soft_wrap=True)


def _print_runs(runs: list[Run], json: bool) -> None:
    """Results of finished runs."""
    from unikeras import progress

    results = [run.result for run in runs]
    if json:
        return print_json({"runs": [{key: result[key] for key in RESULT_KEYS} for result in results]})
    output = console()
    output.print()
    output.print(progress.results_table(results))
    output.print()
    for run in runs:
        output.print(f"run: {run.path}", highlight=False, soft_wrap=True)
    return None


def _run_words(row: dict[str, Any]) -> dict[str, str]:
    life = row["silent_seconds"]
    return {
        "run": row["run"],
        "state": row["state"],
        "backend": row["backend"],
        "epoch": f"{row['epoch']}/{row['epochs'] or '?'}",
        "step": f"{row['step']:,}",
        "checkpoint": "none" if row["checkpoint"] is None else f"step {row['checkpoint']:,}",
        "seen": "never" if life is None else f"{life:,.0f} s ago",
    }


def _load_run(path: str) -> Any:
    from unikeras.run import load_run

    return load_run(path)
