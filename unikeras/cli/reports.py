"""The command that writes runs into a page."""

from __future__ import annotations

from pathlib import Path

import rich_click as click

from unikeras.cli.options import debug_option, display, quiet_option
from unikeras.printing import console


@click.command()
@click.argument("runs", metavar="RUN…", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--output", type=click.Path(path_type=Path), metavar="FILE.html", default="report.html", show_default=True, help="The page."
)
@click.option("--check", type=click.Path(path_type=Path), metavar="FILE.json", help="What `unikeras check --json` has printed.")
@click.option("--bench", type=click.Path(path_type=Path), metavar="FILE.json", help="What `unikeras bench --json` has printed.")
@quiet_option
@debug_option
def report(runs: tuple[Path, ...], output: Path, check: Path | None, bench: Path | None, quiet: bool) -> None:
    """Write one run, or several side by side, into one offline page: curves, classes, mistakes, speed, differences.

    A folder of several runs stands for all of them. A run that did not finish is shown as far as it came.
    """
    from unikeras import report_command

    page = report_command.report(runs, output, display(json=False, quiet=quiet), check=check, bench=bench)
    console().print(f"report: {page}", highlight=False, markup=False, soft_wrap=True)
