"""How often a checkpoint is due: `500steps`, `30s` or `1epoch`."""

from __future__ import annotations

import dataclasses
import re
from typing import Literal

SPELLINGS = "steps as 500 or 500steps, seconds as 30s, or epochs as 1epoch or 2epochs"
_PATTERN = re.compile(r"([1-9][0-9]{0,8})(steps?|s|epochs?)?")

Unit = Literal["steps", "seconds", "epochs"]


@dataclasses.dataclass(frozen=True)
class Interval:
    """A number of steps, seconds or epochs."""

    count: int
    unit: Unit

    @staticmethod
    def parse(text: str) -> Interval:
        """The interval that `text` means.

        Raises:
            ValueError: it is none.
        """
        match = _PATTERN.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is no interval; allowed: {SPELLINGS}")
        units: dict[str | None, Unit] = {None: "steps", "s": "seconds", "step": "steps", "epoch": "epochs"}
        suffix = match[2]
        return Interval(int(match[1]), units[suffix.rstrip("s") or "s" if suffix else None])


def is_interval(text: str) -> bool:
    """Whether `Interval.parse` takes it."""
    return _PATTERN.fullmatch(text) is not None
