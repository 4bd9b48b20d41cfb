"""Checkpoints on a disk that fails: whatever is torn, flipped, zeroed, missing or refused, nothing wrong is ever loaded."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unikeras import checkpoint, faults, metrics_file, weights
from unikeras.checkpoint import Checkpoint
from unikeras.errors import RunError
from unikeras.metrics_file import MetricsFile

FILES = ("weights.safetensors", "optimizer.safetensors", "random.safetensors", "state.json", "manifest.json")


def at_step(step: int, test_loss: float | None = None) -> Checkpoint:
    """A checkpoint whose every value says its step."""
    return Checkpoint(
        {"conv/kernel": np.full((3, 3, 1, 2), step, np.float32), "scale": np.asarray(step, np.float64)},
        {"momentum/conv/kernel": np.full((3, 3, 1, 2), -step, np.float32), "iterations": np.asarray(step)},
        {"cpu": np.full(5, step, np.uint8)},
        {"step": step, "test_loss": test_loss, "best": float("inf")},
    )


def no_objection(_: Checkpoint) -> None:
    return None


def saved(folder: Path, *steps: int) -> list[Path]:
    return [checkpoint.save(folder, at_step(step)) for step in steps]


@pytest.fixture(autouse=True)
def no_fault() -> Iterator[None]:
    yield
    faults.arm(None)


def test_what_is_saved_comes_back_to_the_bit(tmp_path: Path) -> None:
    (path,) = saved(tmp_path, 7)
    found, passed_over = checkpoint.find(tmp_path, no_objection)
    assert (path.name, passed_over) == ("step-00000007", [])
    assert found is not None
    for name in ("weights", "slots", "random"):
        arrays, expected = getattr(found, name), getattr(at_step(7), name)
        assert weights.digest(arrays) == weights.digest(expected), name
        assert {key: array.shape for key, array in arrays.items()} == {key: array.shape for key, array in expected.items()}
    assert found.state == at_step(7).state


def test_the_last_two_and_the_best_are_kept(tmp_path: Path) -> None:
    for step, loss in ((1, 0.9), (2, 0.3), (3, None), (4, 0.4), (5, 0.5), (6, None)):
        checkpoint.save(tmp_path, at_step(step, loss))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000002", "step-00000005", "step-00000006"]


DAMAGES: dict[str, Callable[[Path], object]] = {
    "truncated to nothing": lambda path: path.write_bytes(b""),
    "truncated by a byte": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "cut in half": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "zeroed": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "zeroed at its end": lambda path: path.write_bytes(path.read_bytes()[:-8] + bytes(8)),
    "grown": lambda path: path.write_bytes(path.read_bytes() + b" "),
    "removed": lambda path: path.unlink(),
    "replaced by a folder": lambda path: (path.unlink(), path.mkdir()),
}


def flip(path: Path, bit: int) -> None:
    content = bytearray(path.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_named_and_the_checkpoint_before_is_used(name: str, damage: str, tmp_path: Path) -> None:
    _, newest = saved(tmp_path, 1, 2)
    DAMAGES[damage](newest / name)
    found, passed_over = checkpoint.find(tmp_path, no_objection)
    assert found is not None
    assert found.state["step"] == 1
    (reason,) = passed_over
    assert reason.startswith("step-00000002: ")
    assert name in reason


@pytest.mark.parametrize("name", FILES)
def test_no_flipped_bit_is_ever_loaded(name: str, tmp_path: Path) -> None:
    _, newest = saved(tmp_path, 1, 2)
    intact = (newest / name).read_bytes()
    bits = random.Random(name).sample(range(len(intact) * 8), 200)
    for bit in bits:
        flip(newest / name, bit)
        found, passed_over = checkpoint.find(tmp_path, no_objection)
        assert found is not None
        assert found.state["step"] == 1, f"bit {bit}"
        assert name in passed_over[0]
        (newest / name).write_bytes(intact)


def test_a_manifest_of_another_checkpoint_or_format_is_not_believed(tmp_path: Path) -> None:
    older, newest = saved(tmp_path, 1, 2)
    shutil.copy(older / "manifest.json", newest / "manifest.json")
    assert "not those that were written" in checkpoint.find(tmp_path, no_objection)[1][0]
    manifest = json.loads((newest / "manifest.json").read_text())
    manifest.pop("sha256")
    manifest["format"] = 99
    (newest / "manifest.json").write_bytes(checkpoint._sealed(manifest))
    assert "format 99" in checkpoint.find(tmp_path, no_objection)[1][0]


def test_a_checkpoint_without_any_before_it_is_an_error_and_no_fresh_start(tmp_path: Path) -> None:
    (only,) = saved(tmp_path, 1)
    (only / "state.json").unlink()
    with pytest.raises(RunError, match=r"No checkpoint in .* can be used: step-00000001: state\.json"):
        checkpoint.find(tmp_path, no_objection)
    assert checkpoint.find(tmp_path / "none", no_objection) == (None, [])


def test_a_damaged_checkpoint_is_replaced_when_training_comes_to_its_step_again(tmp_path: Path) -> None:
    _, newest = saved(tmp_path, 1, 2)
    (newest / "weights.safetensors").write_bytes(b"")
    saved(tmp_path, 2)
    found, passed_over = checkpoint.find(tmp_path, no_objection)
    assert found is not None
    assert (found.state["step"], passed_over) == (2, [])


def test_damaged_checkpoints_of_later_steps_are_removed(tmp_path: Path) -> None:
    *_, newest = saved(tmp_path, 1, 2, 9)
    (newest / "weights.safetensors").write_bytes(b"")
    saved(tmp_path, 3, 4)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000003", "step-00000004"]


def test_what_a_kill_left_half_done_is_removed(tmp_path: Path) -> None:
    saved(tmp_path, 1)
    (tmp_path / ".step-00000005.partial").mkdir()
    (tmp_path / ".step-00000005.partial" / "weights.safetensors").write_bytes(b"half")
    assert checkpoint.find(tmp_path, no_objection)[1] == []
    saved(tmp_path, 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000001", "step-00000002"]


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs Linux to name an open file")
def test_everything_is_on_the_disk_before_the_name_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the calls that force things to the disk, which are passed on: files, their folder, the rename, the folder around it."""
    calls: list[tuple[str, str]] = []
    fsync, rename = os.fsync, Path.rename

    def noted_fsync(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        written = path.stat().st_size if path.is_file() else 0
        calls.append(("fsync", f"{path.name}:{written}" if path.is_file() else path.name))
        fsync(descriptor)

    def noted_rename(path: Path, target: Path) -> Path:
        calls.append(("rename", target.name))
        return rename(path, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(Path, "rename", noted_rename)
    path = checkpoint.save(tmp_path, at_step(1))
    files = [("fsync", f"{name}:{(path / name).stat().st_size}") for name in FILES]
    assert calls == [*files, ("fsync", ".step-00000001.partial"), ("rename", "step-00000001"), ("fsync", tmp_path.name)]


def occurrences() -> list[tuple[str, int]]:
    """Every place of a save at which a write can fail."""
    places = [(point, count) for point in ("file.begin", "file.half", "file.written") for count in range(1, len(FILES) + 1)]
    return [*places, ("checkpoint.begin", 1), ("checkpoint.commit", 1)]


@pytest.mark.parametrize("error", ["ENOSPC", "EIO", "EACCES"])
def test_a_failed_write_leaves_the_checkpoint_before_it(error: str, tmp_path: Path) -> None:
    saved(tmp_path, 1)
    for point, count in occurrences():
        faults.arm(f"{error}:{point}:{count}")
        with pytest.raises(OSError, match=os.strerror(getattr(errno, error))):
            checkpoint.save(tmp_path, at_step(2))
        faults.arm(None)
        assert [path.name for path in tmp_path.iterdir()] == ["step-00000001"], f"{error} at {point} {count} leaves a part"
        found, passed_over = checkpoint.find(tmp_path, no_objection)
        assert found is not None
        assert (found.state["step"], passed_over) == (1, [])
    saved(tmp_path, 2)
    assert checkpoint.find(tmp_path, no_objection)[1] == []


def test_rows_are_cut_back_to_the_checkpoint_and_verified(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    file = MetricsFile(path)
    file.append({"step": 1})
    position = file.position()
    file.append({"step": 2})
    file.append({"step": 3})
    file.close()
    assert metrics_file.mismatch(path, position) is None
    reopened = MetricsFile(path)
    reopened.cut(position)
    reopened.append({"step": 3})
    reopened.close()
    assert path.read_text() == '{"step": 1}\n{"step": 3}\n'
    assert "0 of the 12 bytes" in str(_mismatch_of(path, b"", position))
    assert "have been changed" in str(_mismatch_of(path, b'{"step": 9}\n', position))


def _mismatch_of(path: Path, content: bytes, position: dict[str, Any]) -> str | None:
    path.write_bytes(content)
    return metrics_file.mismatch(path, position)
