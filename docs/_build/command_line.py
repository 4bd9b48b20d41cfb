"""The reference of the command line, from its click commands."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import rich_click as click
from markdown_text import code, marked, table

from unikeras.cli import cli
from unikeras.settings import FIELDS


def render() -> str:
    """A section for each command: its usage, its help, its options."""
    return "\n\n".join(_section(name, command) for name, command in _commands("unikeras", cli))


def _commands(name: str, group: click.Group) -> Iterator[tuple[str, click.Command]]:
    for short, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from _commands(f"{name} {short}", command)
        else:
            yield f"{name} {short}", command


def _section(name: str, command: click.Command) -> str:
    context = click.Context(command, info_name=name)
    usage = " ".join([name, *command.collect_usage_pieces(context)])
    rows = [row for parameter in command.params if (row := _row(parameter, context))]
    return f"## {code(name)}\n\n```\n{usage}\n```\n\n{marked(inspect.cleandoc(command.help or ''))}\n\n{table(('option', 'meaning'), rows)}"


def _row(parameter: click.Parameter, context: click.Context) -> tuple[str, str] | None:
    """An option with its values and help; that of a setting links to what the setting allows."""
    record = parameter.get_help_record(context)
    if record is None:
        return None
    spelling, meaning = record
    if parameter.name in FIELDS and parameter.opts[0].startswith("--"):
        return f"[{code(parameter.opts[0])}](settings.md#{parameter.name})", marked(meaning)
    return code(spelling), marked(meaning)
