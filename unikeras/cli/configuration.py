"""The command that shows what the settings are, and where they come from."""

from __future__ import annotations

from pathlib import Path

import rich_click as click

from unikeras.cli.groups import Group
from unikeras.cli.options import config_option, debug_option, given, json_option, options_of
from unikeras.printing import print_json, print_table
from unikeras.settings import FIELDS, resolve_with_origins


@click.group(cls=Group)
def config() -> None:
    """Settings: what holds, and why."""


@config.command("show")
@options_of(*FIELDS)
@config_option
@json_option
@debug_option
def config_show(config: Path | None, json: bool, **options: str | None) -> None:
    """Every setting that `train` would have with the same options, and where its value comes from."""
    settings, origins = resolve_with_origins(given(options), config)
    values = settings.to_dict()
    if json:
        rows = {name: {"value": values[name], "origin": origins[name].kind, "source": origins[name].spelling} for name in FIELDS}
        return print_json({"settings": rows})
    return print_table(
        [
            {"setting": name, "value": _words(values[name]), "from": origin.spelling or origin.kind}
            for name, origin in origins.items()
        ]
    )


def _words(value: object) -> str:
    return "not given" if value is None else str(value)
