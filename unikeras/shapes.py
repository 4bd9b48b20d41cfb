"""Whether JSON values have the shape that their reader needs: files may be damaged, or of another version."""

from __future__ import annotations

import sys
from typing import Any

Shape = Any
"""A type; a list of one shape, for lists of any length, or of several, for lists of just these; a dict of shapes, for objects
with at least these keys; or a tuple of alternatives. `float` takes whole numbers too, `int` no booleans, and None means null."""


def fault(value: Any, shape: Shape, name: str = "it") -> str | None:
    """What is wrong with a value in words, or None."""
    if isinstance(shape, tuple):
        faults = [fault(value, alternative, name) for alternative in shape]
        return None if None in faults else faults[0]
    if isinstance(shape, dict):
        return _fault_of_object(value, shape, name)
    if isinstance(shape, list):
        if not isinstance(value, list) or (len(shape) > 1 and len(value) != len(shape)):
            return f"{name} is {_shown(value)} and no list" + (f" of {len(shape)}" if len(shape) > 1 else "")
        inner = shape if len(shape) > 1 else shape * len(value)
        return next((found for i, one in enumerate(value) if (found := fault(one, inner[i], f"{name}[{i}]"))), None)
    if shape is None:
        return None if value is None else f"{name} is {_shown(value)}"
    allowed = (int, float) if shape is float else shape
    too_large = shape is float and isinstance(value, int) and abs(value) > sys.float_info.max
    if not isinstance(value, allowed) or (isinstance(value, bool) and shape is not bool) or too_large:
        return f"{name} is {_shown(value)} and no {_NOUNS[shape]}"
    return None


_NOUNS = {int: "whole number", float: "number", str: "text", bool: "true or false", dict: "object"}


def _fault_of_object(value: Any, shape: dict[str, Shape], name: str) -> str | None:
    if not isinstance(value, dict):
        return f"{name} is {_shown(value)} and no object"
    for key, inner in shape.items():
        path = key if name == "it" else f"{name}.{key}"
        if key not in value:
            return f"{path} is missing"
        found = fault(value[key], inner, path)
        if found:
            return found
    return None


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}…"
