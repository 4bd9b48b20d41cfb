"""The machine as this process may use it: cores, memory, GPUs, and the limits that a container sets."""

from __future__ import annotations

import dataclasses
import os
import platform
import shutil
import subprocess
from pathlib import Path

from unikeras import provenance

ROOT = Path("/")


@dataclasses.dataclass(frozen=True)
class Machine:
    """Figures in bytes and cores; None where the system doesn't tell.

    Attributes:
        has_avx: Whether the processor has the instructions that TensorFlow's wheels are built with.
        usable_cores: Those that this process may run on.
        cpu_quota: Cores' worth of time that a container may use.
        load: Processes that want to run, over the last minute.
        memory_available: What can still be taken, within a container's limit.
        shared_memory: Size of /dev/shm.
        gpus: Names, as NVIDIA's driver gives them.
    """

    system: str
    cpu: str
    has_avx: bool | None
    cores: int
    usable_cores: int
    cpu_quota: float | None
    load: float
    memory: int | None
    memory_available: int | None
    shared_memory: int | None
    gpus: tuple[str, ...]

    @property
    def free_cores(self) -> int:
        """Cores that threads can count on: usable ones, within the quota."""
        return self.usable_cores if self.cpu_quota is None else max(1, min(self.usable_cores, int(self.cpu_quota)))


def look(root: Path = ROOT) -> Machine:
    """The machine as it is now.

    Args:
        root: Where /proc, /sys and /dev are.
    """
    cores = os.cpu_count() or 1
    limit, used = memory_limit(root)
    total, available = _memory(root)
    if limit is not None and total is not None and limit < total:
        total, available = limit, min(available or limit, limit - used)
    shm = root / "dev/shm"
    return Machine(
        system=platform.platform(),
        cpu=provenance.cpu_model(),
        has_avx=_has_avx(root),
        cores=cores,
        usable_cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else cores,
        cpu_quota=cpu_quota(root),
        load=round(os.getloadavg()[0], 2),
        memory=total,
        memory_available=available,
        shared_memory=shutil.disk_usage(shm).total if shm.is_dir() else None,
        gpus=_gpus(),
    )


def cpu_quota(root: Path = ROOT) -> float | None:
    """The smallest quota of this process' control group and those above it, in cores; None if there is none."""
    quotas = []
    for folder in _groups(root, "cpu"):
        words = _read(folder / "cpu.max").split()
        if not words:  # the older kind of control groups
            words = [_read(folder / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period")]
        if len(words) == 2 and words[0].isdigit() and words[1].isdigit():
            quotas.append(int(words[0]) / int(words[1]))
    return min(quotas, default=None)


def memory_limit(root: Path = ROOT) -> tuple[int | None, int]:
    """The smallest limit of this process' control group and those above it, and what is in use there."""
    limits = []
    for folder in _groups(root, "memory"):
        for limit, used in (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes")):
            words = _read(folder / limit).strip(), _read(folder / used).strip()
            if words[0].isdigit():
                limits.append((int(words[0]), int(words[1]) if words[1].isdigit() else 0))
    return min(limits, default=(None, 0))


def _groups(root: Path, controller: str) -> list[Path]:
    """Folders of the process' control group and those above it: inside of a container only some of them can be seen."""
    folders = []
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, names, path = line.split(":", 2)
        if names == "" or controller in names.split(","):
            top = root / "sys/fs/cgroup" / (controller if names else "")
            parts = Path(path).parts[1:]
            folders += [top.joinpath(*parts[:count]) for count in range(len(parts) + 1)]
    return folders


def _memory(root: Path) -> tuple[int | None, int | None]:
    lines = dict(line.split(":", 1) for line in _read(root / "proc/meminfo").splitlines() if ":" in line)
    if "MemTotal" in lines and "MemAvailable" in lines:
        return int(lines["MemTotal"].split()[0]) * 1024, int(lines["MemAvailable"].split()[0]) * 1024
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), None
    except (ValueError, OSError):
        return None, None


def _has_avx(root: Path) -> bool | None:
    """None on processors that have other instructions, and where the system doesn't list them."""
    for line in _read(root / "proc/cpuinfo").splitlines():
        if line.startswith("flags"):
            return "avx" in line.split()
    return None


def _gpus() -> tuple[str, ...]:
    if shutil.which("nvidia-smi") is None:
        return ()
    command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return tuple(line.strip() for line in answer.stdout.splitlines() if line.strip()) if answer.returncode == 0 else ()


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
