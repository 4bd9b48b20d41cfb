"""Peak memory is what a process needed for itself: pages of a mapped file are the system's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support import python, unikeras

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


@pytest.mark.each_backend
def test_steps_leave_nothing_behind_whatever_their_learning_rate(backend: str) -> None:
    """TensorFlow keeps a tensor for each number of Python's that it is given, 0.7 kB of memory."""
    from unikeras import factory
    from unikeras.settings import Settings

    inputs = {"shape": [4], "dtype": "float32", "class_names": ["a", "b"], "scale": 1.0, "offset": 0.0}
    made = factory.make_backend(Settings(model="mlp"), backend, inputs)
    samples, labels = np.ones((2, 4), np.float32), np.zeros(2, np.int64)

    def take_steps(count: int) -> None:
        for step in range(count):
            made.train_step(samples, labels, 1e-3 / (1 + step))
        made.read_metrics()

    take_steps(1000)
    before = resident_bytes()
    take_steps(5000)
    assert resident_bytes() - before < 1e6


def test_a_hundred_times_as_many_samples_take_hardly_more_memory(tmp_path: Path) -> None:
    """Two epochs, for the order of a second one can be made while the first one's is still there."""
    common = ("--backend", "native-torch", "--model", "mlp", "--epochs", 2, "--batch-size", 4096, "--augment", "flip+shift")
    peaks = []
    for count in (10_000, 1_000_000):
        data = ("--dataset", f"random:4x4x1:2:{count}", "--cache-dir", tmp_path / "cache", "--output", tmp_path / str(count))
        peaks.append(unikeras("train", *common, *data, "--json").json["runs"][0]["peak_memory_mb"])
    assert peaks[1] - peaks[0] < 30, "MB: 30 bytes a sample; labels, order and decisions as 64-bit numbers would be over 100"


def resident_bytes() -> int:
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1]) * 1024
