"""Reading YAML that a person may have written: it holds data, or it is an error with a place."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def read(path: Path) -> Any:
    """The data in a file; nothing in it is ever run.

    Raises:
        OSError: it can't be read.
        ValueError: it is not YAML; the message says where.
    """
    import yaml

    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    # Values such as `2026-99-99`, `!!bool x` and deep nesting make PyYAML raise what Python raises.
    except (yaml.YAMLError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
        raise ValueError(f"{path} is not valid YAML: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """The place and the problem, without the excerpt that PyYAML draws."""
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    if mark is not None and problem is not None:
        return f"line {mark.line + 1}, column {mark.column + 1}: {problem}"
    return " ".join(str(error).split()) or type(error).__name__
