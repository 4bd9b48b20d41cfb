"""The command line: parse, call `commands`, print, exit. Options come from `settings.FIELDS`."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import rich_click as click

from unikeras import __version__
from unikeras.errors import InterruptedRunError, SettingsError, TerminatedRunError, UnikerasError, nearest
from unikeras.printing import console, print_error, print_facts, print_json, print_table
from unikeras.settings import FIELDS, as_option, choices, resolve, value_type

if TYPE_CHECKING:
    from unikeras.data.locate import Request
    from unikeras.progress import Display
    from unikeras.run import Run

Command = TypeVar("Command", bound=Callable[..., Any])

click.rich_click.SHOW_METAVARS_COLUMN = False
click.rich_click.APPEND_METAVARS_HELP = True
click.rich_click.MAX_WIDTH = 120
PLACES = ("data_dir", "cache_dir")
CHANGEABLE = ("backend", "epochs", "threads", "log_every", "checkpoint_every", "max_restarts", "on_nan", *PLACES)  # at a resume


class Group(click.RichGroup):
    """A group that names the nearest commands when one is misspelt."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as interruption:  # click would turn it into "Aborted!" and exit code 1
            raise as_error(interruption) from None

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            raise SettingsError(f"Unknown command {args[0]!r}.", cure=nearest(args[0], self.list_commands(ctx)))
        return super().resolve_command(ctx, args)


def as_error(interruption: KeyboardInterrupt) -> UnikerasError:
    """Says where a training has stopped and how it goes on, if it has stopped as asked; otherwise that it is over."""
    from unikeras.interruption import Interruption

    if not isinstance(interruption, Interruption):
        return InterruptedRunError("Interrupted; nothing more is written.")
    kind = InterruptedRunError if interruption.signal == signal.SIGINT else TerminatedRunError
    return kind(interruption.message, cure=f"Go on with: {interruption.resume}")


def setting_option(name: str) -> Callable[[Command], Command]:
    """The option of a setting. Values stay text: `settings.resolve` checks them, wherever they come from."""
    field = FIELDS[name]
    metavar = "|".join(choices(name)) or {int: "N", float: "F", str: "TEXT", Path: "PATH"}[value_type(name)]
    default = "" if field.default is None else f" [default: {field.default}]"
    decorator: Callable[[Command], Command] = click.option(
        as_option(name), name, default=None, metavar=metavar, panel=field.metadata["group"], help=field.metadata["help"] + default
    )
    return decorator


def options_of(*names: str) -> Callable[[Command], Command]:
    """The options of several settings, in this order in the help."""

    def decorate(command: Command) -> Command:
        for name in reversed(names):
            command = setting_option(name)(command)
        return command

    return decorate


json_option = click.option("--json", is_flag=True, help="Print one JSON object on standard output, and nothing else there.")
quiet_option = click.option("--quiet", is_flag=True, help="Show no progress.")


def set_debug(_context: Any, _parameter: Any, value: bool) -> None:
    """Remembered outside of click, for errors are printed after it has returned."""
    global debug
    debug = debug or value


debug = bool(os.environ.get("UNIKERAS_DEBUG"))
debug_option = click.option(
    "--debug",
    is_flag=True,
    expose_value=False,
    callback=set_debug,
    help="Show the traceback of an error. [env: UNIKERAS_DEBUG]",
)


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="unikeras %(version)s")
def cli() -> None:
    """Write a model once in Keras 3; train it on any backend; prove that the backends agree."""


@cli.command()
@options_of(*FIELDS)
@click.option(
    "--config", type=click.Path(path_type=Path), metavar="FILE", help="YAML file of settings, as in a run's config.yaml."
)
@json_option
@quiet_option
@debug_option
def train(config: Path | None, json: bool, quiet: bool, **options: str | None) -> None:
    """Train a model on one backend or several, from the same weights and batches.

    Every option can also stand in the file given with --config, or in an environment variable such as UNIKERAS_BATCH_SIZE; an
    option given here wins over the environment, and that over the file.

    Where --output holds an unfinished run, the same command goes on with it. Ctrl-C finishes the step and saves; a second one
    ends at once.
    """
    settings = resolve(_given(options), config)
    from unikeras import commands

    _print_runs(commands.train(settings, _display(json, quiet)), json)


@cli.command()
@click.argument("run", metavar="RUN")
@options_of(*CHANGEABLE)
@json_option
@quiet_option
@debug_option
def resume(run: str, json: bool, quiet: bool, **options: str | None) -> None:
    """Go on with a run that was interrupted, or give a finished one more --epochs.

    The run's own settings hold, but for the options given here. On the same backend and machine the result is that of an unbroken
    run, to the bit. On another --backend it goes on from the same weights, optimiser state, step and batch.
    """
    from unikeras import commands

    _print_runs([commands.resume(Path(run), _given(options), _display(json, quiet))], json)


@cli.command()
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


RESULT_KEYS = (
    "backend", "run", "epochs", "steps", "train_loss", "test_loss", "test_accuracy", "images_per_second", "train_seconds",
    "startup_seconds", "peak_memory_mb",
)  # fmt: skip


@cli.command()
@click.argument("run", metavar="RUN")
@click.option("--backend", metavar="B", help="Evaluate on this backend, not on the one of the run.")
@options_of(*PLACES)
@json_option
@debug_option
def evaluate(run: str, backend: str | None, json: bool, **options: str | None) -> None:
    """Loss and accuracy of a finished run on its test images."""
    from unikeras import commands

    places = resolve(_given(options))
    answer = commands.evaluate(_load_run(run), backend, places.data_dir, places.cache_dir, _display(json, quiet=True))
    if json:
        return print_json(answer)
    text = f"test accuracy {answer['test_accuracy']:.2%}, test loss {answer['test_loss']:.4f} on {answer['backend']}"
    console().print(text, highlight=False)


@cli.command()
@click.argument("run", metavar="RUN")
@click.argument("images", metavar="IMAGE…", nargs=-1, required=True)
@click.option("--backend", metavar="B", help="Predict on this backend, not on the one of the run.")
@click.option("--top", type=click.IntRange(min=1), default=3, show_default=True, help="Classes to name per image.")
@json_option
@debug_option
def predict(run: str, images: tuple[str, ...], backend: str | None, top: int, json: bool) -> None:
    """The most probable classes of image files, or of the rows of one .npy file."""
    from unikeras import commands

    answer = commands.predict(_load_run(run), [Path(image) for image in images], backend, top, _display(json, quiet=True))
    if json:
        return print_json(answer)
    from rich.markup import escape

    output = console()
    for prediction in answer["predictions"]:
        classes = ", ".join(f"{escape(c['name'])} {c['probability']:.1%}" for c in prediction["classes"])
        output.print(f"[bold]{escape(prediction['image'])}[/]  {classes}", highlight=False, soft_wrap=True)


@cli.command()
@click.argument("model", metavar="[MODEL|FILE.py]", required=False)
@click.option("--backends", metavar="B,B", default="all", show_default=True, help="Backends to compare, or all installed ones.")
@options_of("dataset", "image_size")
@click.option("--optimizer", metavar="RULE|all", help="Update rule to compare, or all. [default: adam]")
@click.option("--steps", type=click.IntRange(min=2), metavar="N", help="Training steps to compare. [default: 20]")
@click.option("--dtype", metavar="float32|float64|both", help="Arithmetic of the backends. [default: float32]")
@options_of("seed", "normalize", "learning_rate", *PLACES)
@click.option("--quick", is_flag=True, help="Six steps instead of 20.")
@click.option("--full", is_flag=True, help="All rules, float32 and float64, mixed precision, and accuracy over several seeds.")
@click.option("--plant", metavar="NAME|list", help="Plant this fault and see it found; on the model probe, if none is named.")
@click.option("--report", type=click.Path(path_type=Path), metavar="FILE.html", help="Write everything into one offline page.")
@json_option
@quiet_option
@debug_option
def check(
    model: str | None, backends: str, plant: str | None, report: Path | None, json: bool, quiet: bool, **options: Any
) -> None:
    """Prove that backends agree on a model (by default cnn), or name the layer where they part, and the reason.

    Exit code 0: they agree; 1: they disagree; 2: they could not be compared.
    """
    from unikeras import check_command, check_printing

    if plant == "list":
        rows = check_command.list_plants()
        return print_json({"plants": rows}) if json else print_table(rows)
    given = _given(options)
    extent = {name: given.pop(name) for name in ("optimizer", "steps", "dtype", "quick", "full") if name in given}
    named = {} if model is None else {"model": model}
    settings = resolve({**given, **named, "backend": backends})
    request = check_command.make_request(settings, plant=plant, **extent)
    if report is not None:
        check_command.require_writable(report)
    result = check_command.check(request, _display(json, quiet))
    if report is not None:
        check_command.write_report(result, report)
    if json:
        print_json(result.to_dict())
    else:
        check_printing.print_result(result, console())
    sys.exit(0 if result.agree else 1)


@cli.group(cls=Group)
def data() -> None:
    """Datasets: what there is, and preparing them."""


@data.command("list")
@options_of(*PLACES)
@json_option
@debug_option
def data_list(json: bool, **options: str | None) -> None:
    """Datasets that can be used by name, and where they are."""
    from unikeras.data import locate

    places = resolve(_given(options))
    rows = locate.list_datasets(places.data_dir, places.cache_dir)
    if json:
        return print_json({"datasets": rows})
    print_table(rows)
    console().print(
        "\nAlso: any TFDS image-classification dataset by its name, a folder with a subfolder per class, an .npz file with "
        "x_train, y_train, x_test, y_test, and random:SHAPE:CLASSES:COUNT.",
        style="dim",
        highlight=False,
    )


@data.command("info")
@click.argument("name")
@options_of("image_size", *PLACES)
@json_option
@debug_option
def data_info(name: str, json: bool, **options: str | None) -> None:
    """Shape, classes, counts and hash of a dataset; prepares it if need be, and compares its files with their hashes."""
    from unikeras import commands

    facts = commands.inspect(_request(name, options), _display(json, quiet=False))
    return print_json(facts) if json else print_facts(facts)


@data.command("prepare")
@click.argument("name")
@click.option("--download", is_flag=True, help="Fetch it through TFDS first: the only command that uses the network.")
@options_of("image_size", *PLACES)
@json_option
@debug_option
def data_prepare(name: str, download: bool, json: bool, **options: str | None) -> None:
    """Make the arrays of a dataset once; training does it too, when they are not there."""
    from unikeras import commands

    folder = commands.prepare(_request(name, options), _display(json, quiet=False), download)
    if json:
        return print_json({"dataset": name, "folder": str(folder)})
    console().print(f"{name} is prepared in {folder}", highlight=False, soft_wrap=True)


@cli.group(cls=Group)
def models() -> None:
    """Bundled models, and what a model file builds."""


@models.command("list")
@json_option
@debug_option
def models_list(json: bool) -> None:
    """Models that come with unikeras, each in three implementations."""
    from unikeras import model_files

    names = model_files.bundled_names()
    rows = [{"model": name, "description": model_files.describe(model_files.locate(name))} for name in names]
    return print_json({"models": rows}) if json else print_table(rows)


@models.command("summary")
@click.argument("model", metavar="NAME|FILE.py")
@click.option("--input-shape", default="32x32x3", show_default=True, help="Shape of one input, as 32x32x3 or 32.")
@click.option("--classes", type=click.IntRange(min=2), default=10, show_default=True, help="Number of classes.")
@json_option
@debug_option
def models_summary(model: str, input_shape: str, classes: int, json: bool) -> None:
    """Layers, output shapes and parameters of a model."""
    from unikeras import commands

    parts = input_shape.split("x")
    if not all(part.isdigit() and int(part) > 0 for part in parts):
        raise SettingsError(f"--input-shape can't be {input_shape!r}.", cure="Write sizes with x between: 32x32x3.")
    summary = commands.summarize(model, tuple(map(int, parts)), classes, _display(json, quiet=True))
    if json:
        return print_json(summary)
    rows = [{**layer, "output_shape": _shape(layer["output_shape"])} for layer in summary["layers"]]
    print_table(rows)
    total, trainable = summary["parameters"], summary["trainable_parameters"]
    console().print(f"\n{total:,} parameters, {trainable:,} of them trainable", highlight=False)


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
        "epoch": f"{row['epoch']}/{row['epochs']}",
        "step": f"{row['step']:,}",
        "checkpoint": "none" if row["checkpoint"] is None else f"step {row['checkpoint']:,}",
        "seen": "never" if life is None else f"{life:,.0f} s ago",
    }


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _request(name: str, options: dict[str, Any]) -> Request:
    from unikeras import commands

    return commands.request_of(resolve({**_given(options), "dataset": name}))


def _load_run(path: str) -> Any:
    from unikeras.run import load_run

    return load_run(path)


def _display(json: bool, quiet: bool) -> Display:
    from unikeras import progress

    return progress.make_display(quiet, json)


def _shape(sizes: list[int | None] | None) -> str:
    return "" if sizes is None else "×".join("B" if size is None else str(size) for size in sizes)


def main() -> None:
    """Entry point of the `unikeras` command."""
    try:
        cli()
    except UnikerasError as error:
        print_error(error, debug)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
