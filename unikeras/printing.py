"""How the command line prints: JSON, tables, facts and errors. rich is imported only when something is printed."""

from __future__ import annotations

import json
import sys
import traceback
from typing import Any

from unikeras.errors import UnikerasError


def console(stderr: bool = False) -> Any:
    """Standard output, or standard error."""
    from rich.console import Console

    return Console(stderr=stderr, emoji=False)


def print_json(content: Any) -> None:
    """One JSON object and nothing else."""
    sys.stdout.write(json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def print_table(rows: list[dict[str, Any]]) -> None:
    """Rows of equal keys, which become the titles. Sentences and long paths go on in the next line, names and figures not."""
    from rich.table import Table
    from rich.text import Text

    output = console()
    table = Table(box=None, pad_edge=False, header_style="bold")
    widths = {title: max(len(_fact(row[title])) for row in rows) for title in rows[0]}
    for title, value in rows[0].items():
        whole = widths[title] < max(widths.values())  # only the widest column, of paths or sentences, gives way
        justify: Any = "right" if type(value) is int else "left"
        table.add_column(title.replace("_", " "), justify=justify, no_wrap=whole, overflow="fold")
    for row in rows:
        table.add_row(*(Text(_fact(value)) for value in row.values()))
    output.print(table)


def print_facts(facts: dict[str, Any]) -> None:
    """Names and values, one a line."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, show_header=False)
    for name, value in facts.items():
        table.add_row(Text(name.replace("_", " "), style="bold"), Text(_fact(value)))
    console().print(table)


def _fact(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_fact(inner)}" for key, inner in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_fact, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)


def print_error(error: UnikerasError, debug: bool) -> None:
    """An error for a person, on standard error; with its traceback when debugging."""
    from rich.text import Text

    output = console(stderr=True)
    if debug:
        output.print(Text(error.details or traceback.format_exc(), style="dim"), soft_wrap=True)
    output.print(Text.assemble(("error: ", "bold red"), error.message), soft_wrap=True)
    if error.cure:
        output.print(Text(error.cure), soft_wrap=True)
    if error.details and error.exit_code == 1 and not debug:
        output.print(Text("--debug shows the traceback.", style="dim"), soft_wrap=True)
