"""Looks into a `.pt2` archive before torch loads it: torch 2.13 unpickles, evaluates and calls by name what it finds there.

Example inputs, and tensors and constants marked so, are unpickled, without `weights_only` where that fails; sizes are evaluated
as Python expressions (sympify); an operation's name may lead to any function that hangs below `torch`. An archive that unikeras
wrote needs none of it, and any other is refused. That closes these doors; torch's loader is not made
safe for strangers' files by it.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from unikeras.errors import ExportedFileError

_MEMBER = re.compile(
    r"[^/]+/(data/weights/(weight_\d+|model_weights_config\.json)|data/constants/(tensor_\d+|model_constants_config\.json)"
    r"|data/sample_inputs/model\.pt|models/model\.json|archive_format|archive_version|byteorder|\.data/(version|serialization_id))"
)
_OPERATION = re.compile(
    r"torch\.ops\.(aten\.(?!from_file\b)\w+\.\w+|higher_order\.wrap_with_(autocast|set_grad_enabled))|_operator\.\w+"
)
_EXPRESSION_WORD = re.compile(r"Symbol|positive|nonnegative|integer|True|s\d+|\d+")


def checked(path: Path) -> io.BytesIO:
    """A copy of the archive that holds what was looked at, and nothing else that another reader could find in the file.

    Raises:
        ExportedFileError: it is damaged, or holds something that unikeras' exports don't.
    """
    copy = io.BytesIO()
    try:
        with zipfile.ZipFile(path) as archive, zipfile.ZipFile(copy, "w") as checked_archive:
            for name in archive.namelist():
                content = archive.read(name)
                fault = _fault(name, content)
                if fault or name in checked_archive.namelist():
                    raise ExportedFileError(
                        f"{path} is not loaded: {fault or f'{name} is there twice'}.",
                        cure="Loading it could run any code. Use files that unikeras exported.",
                    )
                checked_archive.writestr(name, content)
    except (OSError, ValueError, RecursionError, zipfile.BadZipFile, NotImplementedError) as error:
        raise ExportedFileError(f"{path} is no archive of torch.export: {error}.", cure="Export the run again.") from None
    copy.seek(0)
    return copy


def _fault(name: str, content: bytes) -> str | None:
    """What speaks against a member of the archive."""
    if not _MEMBER.fullmatch(name):
        return f"{name} has no place in an export"
    if name.endswith(".pt"):
        return "it has example inputs, which are unpickled" if content else None
    if not name.endswith(".json"):
        return None
    return next((fault for key, value in _pairs(json.loads(content)) if (fault := _fault_of(key, value))), None)


def _fault_of(key: str, value: Any) -> str | None:
    if key == "use_pickle" and value is not False:
        return "it has a pickled tensor"
    if key == "target" and isinstance(value, str) and not _OPERATION.fullmatch(value):
        return f"it uses the operation {value[:60]}"
    if key == "expr_str" and not all(
        _EXPRESSION_WORD.fullmatch(word) for word in re.findall(r"\w+|[^\w\s()+*=,/'-]", str(value))
    ):
        return f"it has the expression {str(value)[:60]}"
    if key == "guards_code" and value:
        return "it has guards, which are Python code"
    return None


def _pairs(value: Any) -> Iterator[tuple[str, Any]]:
    """Keys and values of all objects inside of a JSON value."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key, inner
            yield from _pairs(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _pairs(inner)
