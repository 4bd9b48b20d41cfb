"""The command that searches settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import rich_click as click

from unikeras.cli.options import debug_option, display, given, json_option, options_of, quiet_option
from unikeras.printing import console, print_json
from unikeras.settings import FIELDS, resolve


@click.command()
@click.option(
    "--search",
    multiple=True,
    metavar="NAME=VALUES",
    help="A setting to search: NAME=A,B,C, or for numbers NAME=LOW:HIGH or NAME=LOW:HIGH:log. Give one for each setting.",
)
@click.option("--trials", type=click.IntRange(min=1), default=20, show_default=True, metavar="N", help="Trainings in all.")
@click.option("--jobs", type=click.IntRange(min=1), default=1, show_default=True, metavar="N", help="Trainings at a time.")
@click.option("--metric", metavar="test_accuracy|test_loss", help="What counts, after the last epoch. [default: test_accuracy]")
@click.option(
    "--prune/--no-prune", default=True, help="Give up a trial that is behind the median of the others. [default: prune]"
)
@click.option("--timeout", metavar="TIME", help="Stop and save after 90s, 30m or 2h; the same command goes on.")
@click.option("--report", type=click.Path(path_type=Path), metavar="FILE.html", help="Write everything into one offline page.")
@options_of(*FIELDS)
@click.option("--config", type=click.Path(path_type=Path), metavar="FILE", help="YAML file of settings for all trials.")
@json_option
@quiet_option
@debug_option
def tune(
    search: tuple[str, ...],
    trials: int,
    jobs: int,
    metric: str | None,
    prune: bool,
    timeout: str | None,
    report: Path | None,
    config: Path | None,
    json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Search for the best settings: many trainings, each an ordinary run in OUTPUT/trials, and the best one's command.

    The options of `unikeras train` hold for all trials; --search says what differs. The same command with the same --output goes
    on where it was interrupted, or with more --trials. Needs pip install 'unikeras[tune]'.
    """
    from unikeras import tune_command, tune_printing, tune_request, tune_space
    from unikeras.reporting import files
    from unikeras.reporting import tune as page

    settings = resolve(given(options), config)
    spaces = tune_space.parse(search, settings, given(options))
    request = tune_request.make_request(settings, spaces, metric=metric, trials=trials, jobs=jobs, prune=prune, timeout=timeout)
    if report is not None:
        files.require_writable(report)
    result = tune_command.tune(request, display(json, quiet))
    if report is not None:
        files.write(page.render(result), report)
    if json:
        print_json(result.to_dict())
    else:
        tune_printing.print_result(result, console())
