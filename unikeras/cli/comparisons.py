"""The command that puts finished runs side by side."""

from __future__ import annotations

import rich_click as click

from unikeras.cli.options import PLACES, debug_option, display, given, json_option, options_of, quiet_option
from unikeras.printing import console, print_json
from unikeras.settings import resolve


@click.command()
@click.argument("runs", metavar="RUN RUN…", nargs=-1, required=True)
@click.option("--test", is_flag=True, help="Test whether the difference in accuracy is more than chance.")
@options_of(*PLACES)
@json_option
@quiet_option
@debug_option
def compare(runs: tuple[str, ...], test: bool, json: bool, quiet: bool, **options: str | None) -> None:
    """Settings in which finished runs differ, their results and their speed, side by side.

    --test takes McNemar's exact test on the same test images, for every two runs, corrected by Holm's method.
    """
    from unikeras import compare_command, compare_printing
    from unikeras.run import load_run

    places = resolve(given(options))
    result = compare_command.compare([load_run(run) for run in runs], display(json, quiet), places if test else None)
    if json:
        return print_json(result)
    return compare_printing.print_result(result, console())
