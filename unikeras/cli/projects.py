"""The command that writes a folder to start from."""

from __future__ import annotations

from pathlib import Path

import rich_click as click

from unikeras.cli.options import debug_option, json_option
from unikeras.printing import console, print_json


@click.command()
@click.argument("name", metavar="[NAME]", default="my_model")
@json_option
@debug_option
def init(name: str, json: bool) -> None:
    """Write a folder with a model of your own (my_model if not given): for all four backends, with settings and tests."""
    from rich.text import Text

    from unikeras import project

    files = project.create(name, Path())
    if json:
        return print_json({"folder": name, "files": [str(path) for path in files]})
    output = console()
    width = max(len(path.name) for path in files)
    output.print(Text(f"{name}/", style="bold"))
    for path, description in files.items():
        output.print(Text.assemble(f"  {path.name:<{width}}  ", (description, "dim")), soft_wrap=True)
    output.print("\nNext:", highlight=False)
    for command in (f"cd {name}", "unikeras train --config config.yaml", f"unikeras check {name}.py --quick", "pytest"):
        output.print(Text(f"  {command}"))
    return None
