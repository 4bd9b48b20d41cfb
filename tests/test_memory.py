"""Peak memory is what a process needed for itself: pages of a mapped file are the system's."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import python

SIZE = 200  # 10⁶ bytes
PEAK = """
import numpy as np
from unikeras.memory import peak_memory_mb
before = peak_memory_mb()
{work}
print(peak_memory_mb() - before)
"""

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells pages of files apart")


def grown(work: str) -> float:
    return float(python(PEAK.format(work=work)).out)


def test_what_was_allocated_counts_also_after_it_is_given_back() -> None:
    assert grown(f"array = np.ones({SIZE} * 10**6, np.uint8); del array") == pytest.approx(SIZE, abs=0.1 * SIZE)


def test_the_memory_of_who_started_it_does_not_count() -> None:
    large = bytearray(SIZE * 10**6)
    peak = float(python("from unikeras.memory import peak_memory_mb; print(peak_memory_mb())").out)
    assert peak < 0.5 * len(large) / 1e6


def test_pages_of_a_mapped_file_do_not_count(tmp_path: Path) -> None:
    file = tmp_path / "array.bin"
    file.write_bytes(bytes(SIZE * 10**6))
    work = f"array = np.memmap({str(file)!r}, np.uint8, 'r'); assert array.sum() == 0"
    assert grown(work) < 0.1 * SIZE
