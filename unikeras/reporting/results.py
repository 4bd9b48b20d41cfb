"""Results that `unikeras check --json` and `unikeras bench --json` have printed, read back from the files they were saved in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from unikeras import shapes
from unikeras.checking.figures import STAGES
from unikeras.errors import SettingsError

MAYBE_TEXT, MAYBE_NUMBER = (str, None), (float, None)
PLACE = {"backend": str, "dtype": str, "stage": str, "case": str, "name": str}
CHECK = {
    "agree": bool,
    "divergences": [
        {
            **PLACE,
            **dict.fromkeys(("layer", "kind", "looks_like", "problem"), MAYBE_TEXT),
            **dict.fromkeys(("error", "error_float64", "bound", "noise"), MAYBE_NUMBER),
        }
    ],
    "defects": [{"backend": str, "dtype": str, "layer": str, "what": str, "measured": MAYBE_NUMBER, "holds": bool}],
    "table": [
        {
            **dict.fromkeys(("backend", "dtype", "stage", "verdict", "worst_at"), str),
            **dict.fromkeys(("compared", "disagree", "rounding_jumps"), int),
            "worst_ratio": MAYBE_NUMBER,
        }
    ],
    "figures": [
        {**PLACE, "agrees": bool, "error": MAYBE_NUMBER, "bound": MAYBE_NUMBER, "exact": MAYBE_NUMBER, "exact_floor": float}
    ],
    "settings": {"model": str, "dataset": str, "backends": [str]},
    "command": str,
}
SPEEDS = ("images_per_second", "peak_memory_mb", "first_step_seconds")
BENCH = {
    "settings": {"model": str, "dataset": str, "threads": (int, None)},
    "races": [
        {
            "batch_size": int,
            "contestants": [{**dict.fromkeys(("name", "variant"), str), **dict.fromkeys(SPEEDS, float)}],
            "ratios": [
                {**dict.fromkeys(("contestant", "rival", "verdict"), str), **dict.fromkeys(("median", "low", "high"), float)}
            ],
            "noise": {"low": float, "high": float},
        }
    ],
    "warnings": [str],
    "environment": {"cpu": str},
    "date": str,
}


def read_check(path: Path) -> dict[str, Any]:
    """A check's result.

    Raises:
        SettingsError: it can't be read, or is something else.
    """
    result = _read(path, "check", CHECK)
    for row in [*result["table"], *result["divergences"]]:
        if row["stage"] not in STAGES:
            raise _wrong(path, "check", f"stage is {row['stage']!r}")
    return result


def read_bench(path: Path) -> dict[str, Any]:
    """A benchmark's result.

    Raises:
        SettingsError: it can't be read, or is something else.
    """
    return _read(path, "bench", BENCH)


def _read(path: Path, command: str, shape: dict[str, Any]) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise SettingsError(f"--{command} {path} can't be read: {error.strerror}.", cure=_cure(command)) from None
    except (ValueError, RecursionError):
        raise _wrong(path, command, "it is no JSON") from None
    fault = shapes.fault(content, shape)
    if fault:
        raise _wrong(path, command, fault)
    return dict(content)


def _wrong(path: Path, command: str, fault: str) -> SettingsError:
    return SettingsError(f"--{command} {path} is no result of `unikeras {command}`: {fault}.", cure=_cure(command))


def _cure(command: str) -> str:
    return f"Make one with `unikeras {command} --json > {command}.json`."
