"""The reference of the Python API, from `unikeras.__all__`: signatures and docstrings."""

from __future__ import annotations

import functools
import inspect
import re
import types
from typing import Any

from markdown_text import code, marked, table

import unikeras

SECTION = re.compile(r"^(Args|Attributes|Returns|Raises):\n((?:[ ]{4}.*\n?|\n)+)", re.MULTILINE)
ENTRY = re.compile(r"^ {4}(\S[^:\n]*): (.*(?:\n {8}.*)*)", re.MULTILINE)


def render() -> str:
    """Functions, then classes, then the tree of errors."""
    public = [getattr(unikeras, name) for name in unikeras.__all__]
    functions = [thing for thing in public if isinstance(thing, types.FunctionType)]
    errors = [thing for thing in public if inspect.isclass(thing) and issubclass(thing, Exception)]
    classes = [thing for thing in public if inspect.isclass(thing) and thing not in errors]
    rows = [(code(error.__name__), str(error.exit_code), (error.__doc__ or "").split("\n\n")[0]) for error in errors]
    return "\n\n".join(
        [
            *(_function(function, 2) for function in functions),
            *(_class(cls) for cls in classes),
            "## Errors\n\nAll are `UnikerasError`s: `str(error)` says what was wrong and what to do.",
            table(("error", "exit code", "meaning"), rows),
        ]
    )


def _function(function: Any, level: int, owner: str = "unikeras") -> str:
    """The heading is the name alone; the signature stands below it, a parameter a line where it is long."""
    name = f"{owner}.{function.__name__}"
    return f"{'#' * level} {code(name)}\n\n```python\n{_signature(name, function)}\n```\n\n{_docstring(function)}"


def _signature(name: str, function: Any) -> str:
    if function is unikeras.train:  # its signature lists every setting, which has a page of its own
        return "unikeras.train(*, config=None, quiet=False, **settings) -> Run | list[Run]"
    signature = inspect.signature(function)
    parameters = [parameter for parameter in signature.parameters.values() if parameter.name != "self"]
    keywords = any(parameter.kind is parameter.KEYWORD_ONLY for parameter in parameters)
    parts = [_parameter(one) for one in parameters if one.kind is one.POSITIONAL_OR_KEYWORD]
    parts += ["*"] * keywords + [_parameter(one) for one in parameters if one.kind is not one.POSITIONAL_OR_KEYWORD]
    line = f"{name}({', '.join(parts)}) -> {signature.return_annotation}"
    return line if len(line) < 80 else f"{name}(\n    {f',{chr(10)}    '.join(parts)},\n) -> {signature.return_annotation}"


def _parameter(parameter: inspect.Parameter) -> str:
    stars = "**" if parameter.kind is parameter.VAR_KEYWORD else ""
    default = "" if parameter.default is parameter.empty else f" = {parameter.default!r}"
    return f"{stars}{parameter.name}: {parameter.annotation}{default}"


def _class(cls: Any) -> str:
    members = [_member(cls, name) for name in vars(cls) if not name.startswith("_")]
    return "\n\n".join([f"## {code('unikeras.' + cls.__name__)}", _docstring(cls), *filter(None, members)])


def _member(cls: Any, name: str) -> str | None:
    member = inspect.getattr_static(cls, name)
    if isinstance(member, property | functools.cached_property):
        return f"### {code(f'{cls.__name__}.{name}')}\n\n{_docstring(member)}" if member.__doc__ else None
    return _function(member, 3, cls.__name__) if isinstance(member, types.FunctionType) and member.__doc__ else None


def _docstring(thing: Any) -> str:
    """A docstring's sections as lists; what stands before and between them as it is."""
    return SECTION.sub(_section, inspect.cleandoc(thing.__doc__ or "") + "\n")


def _section(found: re.Match[str]) -> str:
    title, body = found[1], found[2]
    entries = ENTRY.findall(body) if title != "Returns" else []
    if not entries:
        return f"**{title}:** {marked(' '.join(body.split()))}\n\n"
    items = "".join(f"- {code(name)}: {marked(' '.join(text.split()))}\n" for name, text in entries)
    return f"**{'Arguments' if title == 'Args' else title}:**\n\n{items}\n"
