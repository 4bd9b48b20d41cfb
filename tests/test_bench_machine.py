"""What disturbs a benchmark is read from the system's own counters, where it has them."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest

from unikeras import bench_machine

TICKS = os.sysconf("SC_CLK_TCK")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A machine of two processors, at work for 100 s, idle for 300, 10 s of it stolen; one was too hot seven times."""
    (tmp_path / "proc").mkdir()
    counts = [80, 0, 15, 290, 10, 2, 3, 10, 0, 0]
    line = " ".join(str(seconds * TICKS) for seconds in counts)
    (tmp_path / "proc" / "stat").write_text(f"cpu  {line}\ncpu0 {line}\nintr 1\n")
    for cpu, count in (("cpu0", 3), ("cpu1", 4)):
        folder = tmp_path / bench_machine.CPUS / cpu / "thermal_throttle"
        folder.mkdir(parents=True)
        (folder / "core_throttle_count").write_text(f"{count}\n")
    frequency = tmp_path / bench_machine.CPUS / "cpu0" / "cpufreq"
    frequency.mkdir()
    (frequency / "scaling_governor").write_text("powersave\n")
    return tmp_path


def test_counters_are_the_systems(root: Path) -> None:
    found = bench_machine.snapshot(root)
    assert (found.total, found.busy, found.stolen, found.throttled) == (410, 100, 10, 7)
    assert found.own > 0


def test_each_disturbance_is_a_warning_with_its_size_and_what_to_do(root: Path) -> None:
    first = bench_machine.snapshot(root)
    assert first.total and first.busy and first.stolen and first.throttled
    last = dataclasses.replace(
        first,
        total=first.total + 100,
        busy=first.busy + 60,
        stolen=first.stolen + 3,
        own=first.own + 52,
        throttled=first.throttled + 2,
    )
    seen = bench_machine.describe(first, last, root)
    assert seen == {"stolen_share": 0.03, "others_share": 0.08, "throttled": 2, "governor": "powersave"}
    said = bench_machine.warnings(seen)
    for size, cure in (
        ("took 3% of", "repeat it"),
        ("took 8% of", "end them"),
        ("2 times", "cool it"),
        ("'powersave'", "performance"),
    ):
        assert any(size in one and cure in one for one in said), said
    assert len(said) == 4


def test_a_quiet_machine_gives_no_warning(root: Path) -> None:
    first = bench_machine.snapshot(root)
    assert first.total and first.busy
    (root / bench_machine.CPUS / "cpu0" / "cpufreq" / "scaling_governor").write_text("performance\n")
    last = dataclasses.replace(first, total=first.total + 100, busy=first.busy + 50, own=first.own + 48)
    assert bench_machine.warnings(bench_machine.describe(first, last, root)) == []


def test_a_system_that_tells_nothing_gives_no_warning(tmp_path: Path) -> None:
    first = bench_machine.snapshot(tmp_path)
    seen = bench_machine.describe(first, first, tmp_path)
    assert seen == dict.fromkeys(("stolen_share", "others_share", "throttled", "governor"))
    assert bench_machine.warnings(seen) == []
