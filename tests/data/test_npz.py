"""`.npz` files: any shape and type, streamed, and every way in which one can be wrong."""

import zipfile

import numpy as np
import pytest

from unikeras.errors import DataError

MIB = 1 << 20


def arrays(shape=(4, 4, 1), dtype=np.uint8, train=20, test=6):
    rng = np.random.default_rng(0)
    return {
        "x_train": rng.integers(0, 100, (train, *shape)).astype(dtype),
        "y_train": np.arange(train) % 3,
        "x_test": rng.integers(0, 100, (test, *shape)).astype(dtype),
        "y_test": np.arange(test) % 3,
    }


@pytest.fixture
def open_npz(tmp_path, prepared):
    def open_(fields, save=np.savez):
        save(tmp_path / "data.npz", **fields)
        return prepared(tmp_path / "data.npz")

    return open_


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("dtype", ["u1", "i1", "<i2", ">i4", "u8", "f2", ">f4", "f8"])
@pytest.mark.parametrize("shape", [(5,), (4, 3), (4, 4, 3), (2, 3, 4, 2)])
def test_arrays_arrive_unchanged(open_npz, save, dtype, shape):
    fields = arrays(shape, dtype)
    data = open_npz(fields, save)
    for split, name in ((data.train, "train"), (data.test, "test")):
        expected = fields[f"x_{name}"]
        assert split.x.dtype == expected.dtype.newbyteorder("=")
        assert np.array_equal(split.x.reshape(expected.shape), expected)
        assert np.array_equal(split.y, fields[f"y_{name}"]) and split.y.dtype == np.int64
    assert data.class_names == ("0", "1", "2")


def test_uint8_images_get_a_channel_axis_and_others_do_not(open_npz):
    assert open_npz(arrays((4, 5))).input_shape == (4, 5, 1)
    assert open_npz(arrays((4, 5), np.float32)).input_shape == (4, 5)


def test_booleans_become_black_and_white(open_npz):
    fields = arrays((4, 5))
    fields |= {key: fields[key] > 50 for key in ("x_train", "x_test")}
    data = open_npz(fields)
    assert data.train.x.dtype == np.uint8
    assert np.array_equal(data.train.x[..., 0], fields["x_train"] * 255)


def test_fortran_order(open_npz, tmp_path):
    fields = arrays((7,), np.float32)
    fields["x_train"] = np.asfortranarray(fields["x_train"])
    assert np.array_equal(open_npz(fields).train.x, fields["x_train"])
    entry = next(path for path in (tmp_path / "cache" / "datasets").iterdir() if path.is_dir())
    assert len(list(entry.iterdir())) == 5  # no scratch file stays


def test_pieces_join_without_seams(open_npz):
    fields = arrays((1000,), np.float32, train=3000)  # 12 MB in pieces of 1 MiB
    assert np.array_equal(open_npz(fields).train.x, fields["x_train"])


@pytest.mark.parametrize("change", [lambda y: y[:, None], lambda y: y.astype(np.float32), lambda y: y.astype(np.uint8)])
def test_label_forms(open_npz, change):
    fields = arrays()
    expected = fields["y_train"]
    fields["y_train"] = change(expected)
    assert np.array_equal(open_npz(fields).train.y, expected)


def without(key):
    return lambda f: f.pop(key)


def put(key, index, value, dtype=None):
    def change(fields):
        fields[key] = fields[key].astype(dtype or fields[key].dtype)
        fields[key][index] = value

    return change


def replace(key, make):
    return lambda f: f.update({key: make(f[key])})


WRONG = [
    (without("y_test"), "has no array 'y_test'", "In the file: x_test, x_train, y_train"),
    (put("y_train", 5, -1), r"Label -1 at y_train\[5\]", "whole numbers from 0"),
    (put("y_test", 4, 3), "Label 3 of test sample 4 is out of range", "0 to 2"),
    (put("y_train", 5, 7), r"Label 7 at y_train\[5\] leaves a gap: no training label is 3", "without gaps"),
    (put("y_train", 5, 1.5, float), r"Label 1.5 at y_train\[5\]", "whole numbers"),
    (put("y_train", 5, np.nan, float), r"Label nan at y_train\[5\]", "whole numbers"),
    (put("y_train", 5, 1 << 40), r"Label 1099511627776 at y_train\[5\]", "whole numbers"),
    (put("x_train", (7, 1, 1, 0), np.nan, float), r"x_train has .* x_test", "same shape and type"),
    (replace("x_test", lambda x: x[:, :3]), r"x_train has samples of shape \(4, 4, 1\)", "same shape"),
    (replace("y_train", lambda y: y[:-1]), r"x_train has 20 samples but y_train has shape \(19,\)", "argmax"),
    (replace("y_train", lambda y: np.eye(3)[y]), r"y_train has shape \(20, 3\)", "argmax"),
    (replace("y_train", np.zeros_like), "has 1 class", "at least 2"),
    (replace("x_train", lambda x: x.astype("U3")), "type <U3", "integers, floats or booleans"),
    (replace("x_train", lambda x: x.astype(complex)), "complex128", "integers, floats or booleans"),
    (replace("x_train", lambda x: x.astype(object)), "Python objects, which are never unpickled", "integers"),
    (lambda f: f.update(x_test=f["x_test"][:0], y_test=f["y_test"][:0]), "has no test samples", "At least 1"),
    (lambda f: f.update(x_train=f["x_train"][:0], y_train=f["y_train"][:0]), "has no training samples", "At least 1"),
    (lambda f: f.update(x_train=f["x_train"][:, :0], x_test=f["x_test"][:, :0]), r"shape \(0, 4, 1\)", "at least one value"),
    (lambda f: f.update(x_train=np.arange(20), x_test=np.arange(6)), r"x_train has shape \(20,\)", "reshape"),
]


@pytest.mark.parametrize(("change", "message", "cure"), WRONG)
def test_wrong_file_is_explained(open_npz, change, message, cure):
    fields = arrays()
    change(fields)
    with pytest.raises(DataError, match=message) as caught:
        open_npz(fields)
    assert cure in caught.value.cure


@pytest.mark.parametrize(("value", "name"), [(np.nan, "nan"), (-np.inf, "-inf")])
@pytest.mark.parametrize(("split", "index"), [("train", 2999), ("test", 1)])
def test_value_that_is_not_finite_is_named(open_npz, split, index, value, name):
    fields = arrays((1000,), np.float32, train=3000)
    fields[f"x_{split}"][index, 3] = value
    with pytest.raises(DataError, match=f"{split} sample {index} contains {name}"):
        open_npz(fields)


def test_values_too_large_for_statistics(open_npz):
    fields = arrays((3,), np.float64)
    fields["x_train"][0, 0] = 1e300
    with pytest.raises(DataError, match="too large for statistics"):
        open_npz(fields)


def test_file_that_is_no_archive(tmp_path, prepared):
    (tmp_path / "data.npz").write_bytes(b"hello")
    with pytest.raises(DataError, match=r"data\.npz can't be read: File is not a zip file"):
        prepared(tmp_path / "data.npz")


def test_missing_file(tmp_path, prepared):
    with pytest.raises(DataError, match=r"nope\.npz can't be read: No such file"):
        prepared(tmp_path / "nope.npz")


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_damaged_bytes_are_noticed(tmp_path, prepared, save):
    path = tmp_path / "data.npz"
    save(path, **arrays((1000,), train=3000))
    with zipfile.ZipFile(path) as archive:
        offset = archive.getinfo("x_train.npy").header_offset + 5000
    content = bytearray(path.read_bytes())
    content[offset] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"x_train of .*data\.npz can't be read"):
        prepared(path)


@pytest.mark.parametrize(
    ("change", "message"), [(lambda c: c[:-3], "ends too early"), (lambda c: c + b"x", "longer than its header says")]
)
def test_array_of_another_length_than_its_header_is_noticed(tmp_path, prepared, change, message):
    path = tmp_path / "data.npz"
    np.savez(path, **arrays())
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, change(content) if name == "x_train.npy" else content)
    with pytest.raises(DataError, match=f"x_train .*{message}"):
        prepared(path)


def test_image_size_is_refused(tmp_path, prepared):
    np.savez(tmp_path / "data.npz", **arrays())
    with pytest.raises(DataError, match=r"Image size '64' can't be used"):
        prepared(tmp_path / "data.npz", size="64")


MEMORY = """
import sys
from pathlib import Path
import numpy as np
from unikeras.data.request import Request
from unikeras.data.prepare import prepare
from unikeras.data.dataset import Dataset
import unikeras.data.sources._npz_members

def anonymous():
    return int(next(l for l in open("/proc/self/status") if l.startswith("RssAnon")).split()[1]) / 1024

before, peak = anonymous(), 0.0
def watch(event):
    global peak
    peak = max(peak, anonymous())
folder = prepare(Request(sys.argv[1], None, Path(sys.argv[2]), None), watch)
data = Dataset.open(folder)
total = sum(int(data.train.x[i : i + 64].sum()) for i in range(0, len(data.train.x), 64))
watch(None)
print(data.train.x.nbytes / 2**20, peak - before)
"""


@pytest.mark.skipif("not __import__('pathlib').Path('/proc/self/status').exists()", reason="private memory is read from /proc")
@pytest.mark.parametrize("fortran", [False, True])
def test_large_file_never_lies_in_private_memory(tmp_path, python, fortran):
    shape = (50 * 1024, 4096) if fortran else (100 * 1024, 32, 32, 4)
    x = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.uint8, shape, fortran_order=fortran)
    y = np.arange(len(x)) % 2
    np.savez(tmp_path / "big.npz", x_train=x, y_train=y, x_test=np.zeros((2, *shape[1:]), np.uint8), y_test=y[:2])
    done = python(MEMORY, tmp_path / "big.npz", tmp_path / "cache")
    assert done.returncode == 0, done.stderr
    size, growth = map(float, done.stdout.split())
    assert size == (200 if fortran else 400)
    assert growth < 100
