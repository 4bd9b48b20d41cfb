"""The command that compares backends."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import rich_click as click

from unikeras.cli.options import PLACES, debug_option, display, given, json_option, options_of, quiet_option
from unikeras.printing import console, print_json, print_table
from unikeras.settings import resolve


@click.command()
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
    from unikeras import check_command, check_printing, check_request
    from unikeras.reporting import check as check_page
    from unikeras.reporting import files

    if plant == "list":
        rows = check_request.list_plants()
        return print_json({"plants": rows}) if json else print_table(rows)
    values = given(options)
    extent = {name: values.pop(name) for name in ("optimizer", "steps", "dtype", "quick", "full") if name in values}
    named = {} if model is None else {"model": model}
    settings = resolve({**values, **named, "backend": backends})
    request = check_request.make_request(settings, plant=plant, **extent)
    if report is not None:
        files.require_writable(report)
    result = check_command.check(request, display(json, quiet))
    if report is not None:
        files.write(check_page.render(result.to_dict()), report)
    if json:
        print_json(result.to_dict())
    else:
        check_printing.print_result(result, console())
    sys.exit(0 if result.agree else 1)
