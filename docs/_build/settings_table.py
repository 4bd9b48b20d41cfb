"""The reference of settings, from `unikeras.settings`."""

from __future__ import annotations

import dataclasses
from typing import Any

from markdown_text import code, table

from unikeras.settings import FIELDS, PREFIX, allowed, as_option


def render() -> str:
    """A table for each group of settings, in the order of `unikeras train --help`."""
    groups: dict[str, list[dataclasses.Field[Any]]] = {}
    for field in FIELDS.values():
        groups.setdefault(field.metadata["group"], []).append(field)
    return "\n\n".join(f"## {group}\n\n{_table(fields)}" for group, fields in groups.items())


def _table(fields: list[dataclasses.Field[Any]]) -> str:
    return table(("setting", "default", "allowed", "meaning"), [_row(field) for field in fields])


def _row(field: dataclasses.Field[Any]) -> tuple[str, ...]:
    default = "–" if field.default is None else code(f"{field.default:g}" if isinstance(field.default, float) else field.default)
    names = f'<span id="{field.name}"></span>{code(as_option(field.name))}<br><small>{code(PREFIX + field.name.upper())}</small>'
    return names, default, allowed(field.name), field.metadata["help"]
