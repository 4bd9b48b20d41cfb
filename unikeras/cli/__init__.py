"""The command line: parse, call `commands`, `check_command` or `bench_command`, print, exit. A file per group of commands."""

from __future__ import annotations

import sys

import rich_click as click

from unikeras import __version__
from unikeras.cli import (
    benchmarks,
    checks,
    comparisons,
    completion,
    configuration,
    datasets,
    doctor,
    exports,
    models,
    options,
    projects,
    reports,
    runs,
    tuning,
)
from unikeras.cli.groups import Group
from unikeras.errors import UnikerasError
from unikeras.printing import print_error

click.rich_click.SHOW_METAVARS_COLUMN = False
click.rich_click.APPEND_METAVARS_HELP = True
click.rich_click.MAX_WIDTH = 120


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="unikeras %(version)s")
def cli() -> None:
    """Write a model once in Keras 3; train it on any backend; prove that the backends agree."""


TRAINING = (runs.train, runs.resume, runs.runs, runs.evaluate, runs.predict, exports.export, tuning.tune, reports.report)
AROUND = (projects.init, comparisons.compare, configuration.config, doctor.doctor, completion.completion)
for _command in (*TRAINING, checks.check, benchmarks.bench, datasets.data, models.models, *AROUND):
    cli.add_command(_command)
completion.attach(cli)


def main() -> None:
    """Entry point of the `unikeras` command."""
    try:
        cli()
    except UnikerasError as error:
        print_error(error, options.debug)
        sys.exit(error.exit_code)
