"""What disturbs a benchmark from outside, as far as Linux tells: other work, other guests of the host, heat, saving power."""

from __future__ import annotations

import dataclasses
import os
import resource
from pathlib import Path
from typing import Any

STEAL = 0.02  # share of the processors' time from which on a warning is due
OTHERS = 0.05
BUSY_LOAD = 0.3  # processes that want to run, per core
CPUS = "sys/devices/system/cpu"
SUPPLIES = "sys/class/power_supply"


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """Counters at one moment; None where the system doesn't have them.

    Attributes:
        total, busy, stolen: Seconds of all processors: altogether, at work, and given to other guests by the host.
        own: Of them, those of this process and its children that have ended.
        load: Processes that wanted to run in the minute before, per core.
        throttled: How often each processor has been slowed down because of its heat, by the counter's file.
    """

    total: float | None
    busy: float | None
    stolen: float | None
    own: float
    load: float
    throttled: dict[str, int]


def snapshot(root: Path = Path("/")) -> Snapshot:
    """The counters now."""
    total, busy, stolen = _processor_times(root / "proc" / "stat")
    counters = sorted((root / CPUS).glob("cpu[0-9]*/thermal_throttle/*_throttle_count"))
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    own = sum(one.ru_utime + one.ru_stime for one in usage)
    load = os.getloadavg()[0] / (os.cpu_count() or 1)
    return Snapshot(total, busy, stolen, own, load, {str(path): _number(path) for path in counters})


def describe(first: Snapshot, last: Snapshot, root: Path = Path("/")) -> dict[str, Any]:
    """Between two moments, as JSON values: shares of the processors' time, the load before, heat, and how power is saved."""
    shares: dict[str, float | None] = {"stolen_share": None, "others_share": None}
    if None not in (first.total, last.total, first.busy, last.busy, first.stolen, last.stolen):
        total = max(last.total - first.total, 1e-9)  # type: ignore[operator] # none of them is None
        shares["stolen_share"] = (last.stolen - first.stolen) / total  # type: ignore[operator]
        others = last.busy - first.busy - (last.own - first.own)  # type: ignore[operator]
        shares["others_share"] = max(others / total, 0.0)
    # The counter of a package is repeated at each of its cores: a sum would count one event many times.
    rises = [last.throttled[name] - count for name, count in first.throttled.items() if name in last.throttled]
    governor = _text(root / CPUS / "cpu0" / "cpufreq" / "scaling_governor")
    seen = {"throttled": max(rises, default=None), "governor": governor, "on_battery": _on_battery(root / SUPPLIES)}
    return {**shares, "load_before": first.load, **seen}


def warnings(seen: dict[str, Any]) -> list[str]:
    """What of it makes the figures doubtful, with what to do."""
    found = []
    if (seen["stolen_share"] or 0.0) > STEAL:
        found.append(
            f"The host took {seen['stolen_share']:.0%} of the processors' time for other guests: repeat it at another hour, "
            "or on a machine of your own."
        )
    # The load is what has just been as well, so that it counts only where nothing tells who was at work in the meantime.
    if seen["others_share"] is None and seen["load_before"] > BUSY_LOAD:
        found.append(
            f"The machine was busy (load {seen['load_before']:.1f} a core) before it began: end other programs, wait a minute, "
            "and repeat it."
        )
    if (seen["others_share"] or 0.0) > OTHERS:
        found.append(f"Other processes took {seen['others_share']:.0%} of the processors' time: end them and repeat it.")
    if seen["throttled"]:
        found.append(f"A processor was slowed down {seen['throttled']} times for its heat: cool it, or take fewer threads.")
    if seen["governor"] not in (None, "performance"):
        found.append(
            f"The frequency of the processors follows the governor {seen['governor']!r}: choose 'performance' "
            "(`cpupower frequency-set -g performance`)."
        )
    if seen["on_battery"]:
        found.append("The machine ran on its battery (discharging), which slows processors down: plug it in and repeat it.")
    return found


def _processor_times(path: Path) -> tuple[float | None, float | None, float | None]:
    """Of the first line of /proc/stat: user, nice, system, idle, iowait, irq, softirq, steal (guests are part of user)."""
    words = (_text(path) or "").splitlines()[:1]
    counts = [int(word) / os.sysconf("SC_CLK_TCK") for word in words[0].split()[1:9]] if words else []
    if len(counts) < 8:
        return None, None, None
    idle, stolen = counts[3] + counts[4], counts[7]
    return sum(counts), sum(counts) - idle - stolen, stolen


def _on_battery(folder: Path) -> bool | None:
    """Whether a battery of the machine is discharging; None without one. Those of mice and the like have the scope Device."""
    batteries = [
        supply for supply in folder.glob("*") if _text(supply / "type") == "Battery" and _text(supply / "scope") != "Device"
    ]
    return any(_text(supply / "status") == "Discharging" for supply in batteries) if batteries else None


def _number(path: Path) -> int:
    text = _text(path)
    return int(text) if text and text.isdecimal() else 0


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None
