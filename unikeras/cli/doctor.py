"""The command that looks at the machine and tries every backend."""

from __future__ import annotations

import sys
from typing import Any

import rich_click as click

from unikeras.cli.options import debug_option, given, json_option, options_of
from unikeras.printing import console, print_json
from unikeras.settings import resolve


@click.command()
@options_of("threads", "cache_dir")
@json_option
@debug_option
def doctor(json: bool, **options: Any) -> None:
    """Look at the machine and what is installed, and let every backend take ten steps.

    Exit code 0: every installed backend works; 1: one is broken, or none is installed.
    """
    settings = resolve(given(options))
    from unikeras import doctor_command, doctor_printing

    with console(stderr=True).status("looking at the machine") as status:
        result = doctor_command.examine(settings, lambda name: status.update(f"trying {name}"))
    if json:
        print_json(result)
    else:
        doctor_printing.print_result(result, console())
    sys.exit(0 if result["healthy"] else 1)
