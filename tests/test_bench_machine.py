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
    """A machine of two processors, at work for 100 s, idle for 300, 10 s of it stolen; hot at times, and on battery."""
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
    supply(tmp_path, "AC", type="Mains", online="0")
    supply(tmp_path, "BAT0", type="Battery", status="Discharging")
    return tmp_path


def supply(root: Path, name: str, **facts: str) -> None:
    folder = root / bench_machine.SUPPLIES / name
    folder.mkdir(parents=True, exist_ok=True)
    for fact, value in facts.items():
        (folder / fact).write_text(f"{value}\n")


def heat(root: Path, **counts: int) -> None:
    for cpu, count in counts.items():
        for file in (root / bench_machine.CPUS / cpu / "thermal_throttle").iterdir():
            file.write_text(f"{count}\n")


def test_counters_are_the_systems(root: Path) -> None:
    found = bench_machine.snapshot(root)
    assert (found.total, found.busy, found.stolen) == (410, 100, 10)
    assert sorted(found.throttled.values()) == [3, 4]
    assert found.own > 0


def test_each_disturbance_is_a_warning_with_its_size_and_what_to_do(root: Path) -> None:
    first = dataclasses.replace(bench_machine.snapshot(root), load=2.0)
    assert first.total and first.busy and first.stolen
    heat(root, cpu0=4, cpu1=6)
    last = dataclasses.replace(
        first,
        total=first.total + 100,
        busy=first.busy + 60,
        stolen=first.stolen + 3,
        own=first.own + 52,
        throttled=bench_machine.snapshot(root).throttled,
    )
    seen = bench_machine.describe(first, last, root)
    # Seconds of processor time have digits that a subtraction rounds, and how many depends on what ran before.
    shares = {name: pytest.approx(share) for name, share in (("stolen_share", 0.03), ("others_share", 0.08))}
    assert seen == {**shares, "load_before": 2.0, "throttled": 2, "governor": "powersave", "on_battery": True}
    said = bench_machine.warnings(seen)
    for size, cure in (
        ("took 3% of", "repeat it"),
        ("took 8% of", "end them"),
        ("2 times", "cool it"),
        ("'powersave'", "performance"),
        ("discharging", "plug it in"),
    ):
        assert any(size in one and cure in one for one in said), said
    assert len(said) == 5


def test_a_quiet_machine_gives_no_warning(root: Path) -> None:
    first = dataclasses.replace(bench_machine.snapshot(root), load=2.0)  # by what had ended just before
    assert first.total and first.busy
    (root / bench_machine.CPUS / "cpu0" / "cpufreq" / "scaling_governor").write_text("performance\n")
    supply(root, "BAT0", status="Full")
    last = dataclasses.replace(first, total=first.total + 100, busy=first.busy + 50, own=first.own + 48)
    assert bench_machine.warnings(bench_machine.describe(first, last, root)) == []


@pytest.mark.parametrize(("load", "said"), [(0.2, []), (0.8, ["The machine was busy (load 0.8 a core) before it began"])])
def test_a_system_without_counters_warns_of_its_load_alone(load: float, said: list[str], tmp_path: Path) -> None:
    first = dataclasses.replace(bench_machine.snapshot(tmp_path), load=load)
    seen = bench_machine.describe(first, first, tmp_path)
    unknown = dict.fromkeys(("stolen_share", "others_share", "throttled", "governor", "on_battery"))
    assert seen == {**unknown, "load_before": load}
    assert [one.split(":")[0] for one in bench_machine.warnings(seen)] == said


def test_one_event_is_counted_once_though_every_core_repeats_its_packages_counter(root: Path) -> None:
    first = bench_machine.snapshot(root)
    heat(root, cpu0=8, cpu1=9)
    assert bench_machine.describe(first, bench_machine.snapshot(root), root)["throttled"] == 5


def test_the_battery_of_a_mouse_is_not_the_machines(tmp_path: Path) -> None:
    supply(tmp_path, "hidpp_battery_0", type="Battery", scope="Device", status="Discharging")
    first = bench_machine.snapshot(tmp_path)
    assert bench_machine.describe(first, first, tmp_path)["on_battery"] is None
