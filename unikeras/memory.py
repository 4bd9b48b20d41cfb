"""How much memory this process needed for itself."""

from __future__ import annotations

import re
import resource
import sys
from pathlib import Path

STATUS = Path("/proc/self/status")


def peak_memory_mb() -> float:
    """The largest resident memory so far less the pages of files that are resident now: libraries and memory-mapped data, which
    the system lends and takes back; in 10⁶ bytes.

    Where fewer of them were resident at the peak, it was higher by as much. On other systems than Linux, which don't tell them
    apart, they are included.
    """
    try:
        sizes = dict(re.findall(r"^(\w+):\s+(\d+) kB$", STATUS.read_text(encoding="ascii"), re.MULTILINE))
        # Not from getrusage, whose figure is the parent's where that was larger when it started this process.
        return (int(sizes["VmHWM"]) - int(sizes["RssFile"])) * 1024 / 1e6
    except (OSError, KeyError):
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
