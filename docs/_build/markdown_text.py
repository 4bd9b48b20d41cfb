"""Pieces of Markdown that the generated references share."""

from __future__ import annotations

import re
from collections.abc import Sequence


def code(text: object) -> str:
    """Text in code style."""
    return f"`{text}`"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; bars and line ends in cells are taken care of."""
    lines = [head, ["---"] * len(head), *[[_cell(cell) for cell in row] for row in rows]]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def marked(text: str) -> str:
    """Help text with its options, file names and settings in code style."""
    return re.sub(r"(?<![\w`/-])(--[a-z][a-z-]+|UNIKERAS_[A-Z_]+)(?![\w`])", r"`\1`", text)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
