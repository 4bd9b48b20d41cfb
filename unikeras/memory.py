"""How much memory this process needed for itself."""

from __future__ import annotations

import re
import resource
import sys
from pathlib import Path

STATUS = Path("/proc/self/status")


def peak_memory_mb() -> float:
    """The largest resident memory so far less the pages of files, libraries and memory-mapped data, which the system lends and
    takes back; in 10⁶ bytes. Where the system doesn't tell them apart (it is not Linux), they are included.
    """
    unit = 1 if sys.platform == "darwin" else 1024
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return (resident - _file_bytes()) / 1e6


def _file_bytes() -> int:
    """Pages of files that are resident now: they become more and seldom fewer, so that they were no more at the peak."""
    try:
        found = re.search(r"^RssFile:\s+(\d+) kB$", STATUS.read_text(encoding="ascii"), re.MULTILINE)
    except OSError:
        return 0
    return int(found[1]) * 1024 if found else 0
