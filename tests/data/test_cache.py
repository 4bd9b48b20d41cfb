"""Entries of the cache: they appear complete or not at all, once, and damage is noticed."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from unikeras.data import cache
from unikeras.data.dataset import Dataset, describe
from unikeras.data.locate import damage, entry, find, list_datasets
from unikeras.data.prepare import prepare
from unikeras.data.request import Request
from unikeras.errors import DataError
from unikeras.events import Notice, Preparing

NAME = "random:8x8x1:2:100"
PREPARE = """
import sys
from pathlib import Path
from unikeras.data.prepare import prepare
from unikeras.data.request import Request
print(prepare(Request(sys.argv[1], None, Path(sys.argv[2]), None), lambda event: print(event, flush=True)))
"""


def quiet(event):
    pass


@pytest.fixture
def request_(request_for):
    return request_for(NAME)


@pytest.fixture
def folder(request_):
    return prepare(request_, quiet)


def leftovers(request):
    return list(entry(request).folder.parent.glob(".*.tmp-*"))


def flip_bit(path, keep_mtime):
    status = path.stat()
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    times = (status.st_atime_ns, status.st_mtime_ns) if keep_mtime else (1, 1)
    os.utime(path, ns=times)


def test_second_use_writes_nothing(folder, request_):
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    events = []
    assert prepare(request_, events.append) == folder == find(request_)
    assert not events
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_events_count_to_the_total_at_most_ten_a_second(request_for):
    events = []
    start = time.monotonic()
    prepare(request_for("random:64x64x3:2:3000"), events.append)
    seconds = time.monotonic() - start
    counts = [event.done for event in events]
    assert all(isinstance(event, Preparing) and event.total == 3600 for event in events)
    assert counts == sorted(counts) and counts[0] == 0 and counts[-1] == 3600
    assert len(counts) <= 2 + 10 * seconds


def test_arrays_are_read_only(folder):
    data = Dataset.open(folder)
    for array in (data.train.x, data.train.y, data.test.x, data.test.y):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_data_hash_depends_on_the_data_alone(folder, request_for, tmp_path):
    data = Dataset.open(folder)
    path = tmp_path / "same.npz"
    np.savez(path, x_train=data.train.x, y_train=data.train.y, x_test=data.test.x, y_test=data.test.y)
    assert Dataset.open(prepare(request_for(path), quiet)).data_hash == data.data_hash
    changed = np.array(data.train.x)
    changed[0, 0, 0, 0] ^= 1
    np.savez(path, x_train=changed, y_train=data.train.y, x_test=data.test.x, y_test=data.test.y)
    assert Dataset.open(prepare(request_for(path), quiet)).data_hash != data.data_hash


def test_describe(folder):
    told = describe(folder)
    assert told["name"] == NAME and told["source"] == "random" and told["folder"] == str(folder)
    assert told["samples"] == {"train": 100, "test": 20} and told["shape"] == [8, 8, 1] and told["dtype"] == "uint8"
    assert told["class_counts"]["train"] == np.bincount(Dataset.open(folder).train.y).tolist()
    assert told["bytes"] == sum(path.stat().st_size for path in folder.glob("*.npy"))
    json.dumps(told)


@pytest.mark.parametrize("name", ["x_train.npy", "y_test.npy"])
def test_truncated_array_is_prepared_again(folder, request_, name):
    before = Dataset.open(folder).data_hash
    os.truncate(folder / name, 150)
    assert find(request_) is None
    assert f"{name} has 150 bytes instead of" in (damage(request_) or "")
    events = []
    assert prepare(request_, events.append) == folder
    assert any(isinstance(event, Notice) and "was damaged" in event.text and name in event.text for event in events)
    assert Dataset.open(folder).data_hash == before and damage(request_) is None
    assert not leftovers(request_)


def test_changed_bit_is_found_when_the_mtime_changed(folder, request_):
    flip_bit(folder / "x_train.npy", keep_mtime=False)
    assert find(request_) is None
    assert damage(request_) == "x_train.npy was changed"


def test_changed_bit_with_old_mtime_is_found_by_describe(folder, request_):
    flip_bit(folder / "x_train.npy", keep_mtime=True)
    assert find(request_) == folder
    with pytest.raises(DataError, match=r"damaged: the bytes of x_train\.npy"):
        describe(folder)


def test_missing_array(folder, request_):
    (folder / "y_train.npy").unlink()
    assert damage(request_) == "y_train.npy: No such file or directory"


@pytest.mark.parametrize("change", [b"", b"{}", b"[]", b"null", b"\xff"])
def test_unreadable_manifest(folder, request_, change):
    (folder / "manifest.json").write_bytes(change)
    assert find(request_) is None and "manifest.json" in (damage(request_) or "")
    assert prepare(request_, quiet) == folder == find(request_)


def test_changed_manifest_is_noticed(folder, request_):
    path = folder / "manifest.json"
    path.write_text(path.read_text().replace('"maximum": 255', '"maximum": 254'))
    assert damage(request_) == "its manifest.json is not what was written"
    with pytest.raises(DataError, match="is damaged"):
        Dataset.open(folder)


def test_copied_cache_is_used(folder, tmp_path):
    shutil.copytree(tmp_path / "cache", tmp_path / "elsewhere", copy_function=shutil.copyfile)
    copied = find(Request(NAME, None, tmp_path / "elsewhere", None))
    assert copied and copied.is_relative_to(tmp_path / "elsewhere")


def test_killed_preparation_leaves_nothing_behind(request_for, tmp_path):
    big = request_for("random:64x64x3:2:60000")
    command = [sys.executable, "-c", PREPARE, big.name, str(big.cache_dir)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        lines = iter(process.stdout)
        assert "done=0" in next(lines)
        next(lines)  # some samples are written
        process.send_signal(signal.SIGKILL)
    assert find(big) is None and len(leftovers(big)) == 1 and not entry(big).folder.exists()
    small = request_for(NAME)
    prepare(small, quiet)  # sweeps what the dead process left of another entry
    assert not leftovers(big) and find(small)


def test_preparing_again_after_a_kill(request_, tmp_path):
    folder = entry(request_).folder
    (folder.parent / f".{folder.name}.tmp-dead").mkdir(parents=True)
    (folder.parent / f".{folder.name}.tmp-dead" / "x_train.npy").write_bytes(b"half")
    while_writing = []
    assert prepare(request_, lambda event: while_writing.append(len(leftovers(request_)))) == folder == find(request_)
    assert while_writing[0] == 1  # the old one made room before the new one grew
    assert not leftovers(request_)


def test_two_processes_at_once_prepare_once(tmp_path):
    name = "random:64x64x3:2:5000"
    command = [sys.executable, "-c", PREPARE, name, str(tmp_path / "cache")]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    outputs = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert len({output.splitlines()[-1] for output in outputs}) == 1
    assert sum("Preparing(" in output for output in outputs) == 1


def test_source_that_changes_meanwhile_is_refused(tmp_path, request_for):
    path = tmp_path / "data.npz"
    np.savez(path, x_train=np.zeros((4, 3)), y_train=np.arange(4) % 2, x_test=np.zeros((2, 3)), y_test=np.arange(2))
    with pytest.raises(DataError, match="changed while it was being prepared"):
        prepare(request_for(path), lambda event: os.utime(path, ns=(1, 1)))
    assert not list((tmp_path / "cache" / "datasets").glob("data-*"))


def test_cache_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="Can't write the prepared data") as caught:
        prepare(Request(NAME, None, tmp_path / "file", None), quiet)
    assert "--cache-dir" in caught.value.cure


def test_full_disk(tmp_path, python):
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))\n"
    done = python(limit + PREPARE, "random:64x64x3:2:1000", tmp_path / "cache")
    assert "Can't write the prepared data" in done.stderr and "--cache-dir" in done.stderr
    assert not [path for path in (tmp_path / "cache" / "datasets").iterdir() if path.is_dir()]


def test_request_crosses_the_process_boundary(tmp_path):
    for request in (Request("a", tmp_path, None, "4x5"), Request("b", None, tmp_path, None)):
        assert Request.from_dict(json.loads(json.dumps(request.to_dict()))) == request


def test_list_says_where_and_whether_prepared(folder, tmp_path, request_for):
    prepare(request_for("digits"), quiet)
    (tmp_path / "tfds" / "mine" / "1.0.0").mkdir(parents=True)
    (tmp_path / "tfds" / "mine" / "1.0.0" / "dataset_info.json").write_text("{}")
    listed = {row["name"]: row for row in list_datasets(tmp_path / "tfds", tmp_path / "cache")}
    assert list(listed) == ["digits", "cifar10", "cifar100", "mnist", "fashion_mnist", "mine"]
    assert listed["digits"] == {"name": "digits", "where": "built in", "prepared": True}
    assert listed["mnist"] == {"name": "mnist", "where": "not there", "prepared": False}
    assert listed["mine"]["where"] == str(tmp_path / "tfds" / "mine" / "1.0.0")


def test_parent_side_imports_neither_numpy_nor_a_framework(python, tmp_path):
    code = """
import sys
from pathlib import Path
from unikeras.data.locate import Request, damage, find, list_datasets
for name in ("digits", "random:3:2:5", sys.argv[1]):
    find(Request(name, None, Path(sys.argv[1]), None)), damage(Request(name, None, Path(sys.argv[1]), None))
list_datasets(None, None)
print(sorted({"numpy", "PIL", "sklearn", "tensorflow", "torch", "keras", "tensorflow_datasets"} & set(sys.modules)))
"""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.png").write_bytes(b"")
    done = python(code, tmp_path)
    assert done.stdout.strip() == "[]", done.stderr


def test_manifest_is_sealed_over_all_fields():
    sealed = cache.seal({"a": 1})
    assert sealed["sha256"] == cache.hash_json({"a": 1}) != cache.hash_json({"a": 2})
