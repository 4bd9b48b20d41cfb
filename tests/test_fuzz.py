"""Whatever stands in a file that unikeras reads, reading ends in success or in an error of its own; nothing else gets out.

Files that carry a hash are sealed again after they were changed: the hash must not be all that keeps nonsense out.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import io
import json
import math
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from unikeras import checkpoint, metrics_file, run, run_list, weights
from unikeras.checkpoint import Checkpoint, Damaged
from unikeras.data import cache
from unikeras.data.dataset import Dataset
from unikeras.data.prepare import prepare
from unikeras.data.request import Request
from unikeras.errors import UnikerasError
from unikeras.interval import Interval
from unikeras.recorder import Books
from unikeras.session import Session, _position_in
from unikeras.settings import FIELDS, Settings, resolve
from unikeras.training import Position

# No random seed and no limit of time: a test that passes once passes always, on a slow machine too.
settings.register_profile(
    "repeatable", derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck), max_examples=60
)
settings.load_profile("repeatable")

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from([2**64, -1, 10**400, "~x", "\0", "1e999"])
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=8
)


def places(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Ways to every value inside of a JSON document."""
    keys = list(document) if isinstance(document, dict) else range(len(document)) if isinstance(document, list) else []
    return [path, *(place for key in keys for place in places(document[key], (*path, key)))]


@st.composite
def changed(draw: st.DrawFn, document: Any) -> Any:
    """A document in which one value, at any depth, is another or is missing."""
    *way, last = ("root", *draw(st.sampled_from(places(document))))
    holder = result = {"root": copy.deepcopy(document)}
    for key in way:
        holder = holder[key]
    if isinstance(holder, dict) and draw(st.booleans()):
        del holder[last]
    else:
        holder[last] = draw(values)
    return result.get("root")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@contextlib.contextmanager
def ours() -> Iterator[None]:
    with contextlib.suppress(UnikerasError):
        yield


@given(st.dictionaries(st.sampled_from([*FIELDS, "epoch"]) | st.text(), values, max_size=4))
def test_settings(options: dict[str, Any]) -> None:
    with ours():
        assert isinstance(resolve(options, environment={}), Settings)


@given(st.text(max_size=300))
def test_intervals(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert Interval.parse(text).count > 0


# Pieces of YAML that are rarely met, and mean more than they seem to.
PIECES = [
    "epochs: ",
    "- ",
    "{",
    "[",
    "&a ",
    "*a",
    "!!python/name:os.system ",
    "!!timestamp ",
    "!!bool x",
    "!!int ",
    "2026-99-99",
    "? ",
    "<<: ",
    "0x",
    "1:99",
    "\t",
    "\n",
    "%YAML 9.9\n",
    "---\n",
    "'",
    '"',
    "|\n",
    "\ufeff",
    "!!set {",
    "!!binary =",
    "\x85",
    "=",
    "~",
]


@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=5), max_size=12).map("".join))
@example("[" * 400)
def test_configuration_files(place: Path, text: str) -> None:
    (place / "c.yaml").write_bytes(text.encode("utf-8", "surrogatepass"))
    with ours():
        assert isinstance(resolve({}, place / "c.yaml", {}), Settings)


GOOD_RESULT = {"backend": "torch", "run": "r", "epochs": 1, "steps": 3, **dict.fromkeys(run.FIGURES, 0.5), "weights_sha256": "x"}
GOOD_RUN = {
    "format": 1,
    "versions": {"unikeras": "0.1.0", "torch": None},
    **dict.fromkeys(("backend", "data_hash", "model_hash", "initial_weights"), "x"),
    "inputs": {"shape": [8, 8, 1], "dtype": "uint8", "class_names": ["a", "b"], "scale": 0.5, "offset": [0.0]},
    "history": [{"backend": "torch", "model_file_hash": "x"}],
}
GOOD_CONFIG = {name: value for name, value in Settings().to_dict().items() if name != "output"}


def run_folder(place: Path, **contents: bytes) -> Path:
    folder = place / "run"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    good = {"run": json.dumps(GOOD_RUN), "result": json.dumps(GOOD_RESULT), "config": yaml.safe_dump(GOOD_CONFIG), "metrics": ""}
    names = {"run": run.PROVENANCE, "result": run.RESULT, "config": run.CONFIG, "metrics": run.METRICS}
    for key, name in names.items():
        (folder / name).write_bytes(contents.get(key, good[key].encode()))
    return folder


def read_everything(folder: Path) -> None:
    """As the commands do that read a run."""
    with ours():
        found = run.load_run(folder)
        assert found.provenance["format"] == run.FORMAT
        for figure in run.FIGURES:
            f"{found.result[figure]:.4f}"
    with ours():
        assert all(isinstance(row["kind"], str) for row in run.Run(folder).metrics)
    (row,) = run_list.list_runs(folder)
    f"{row['step']:,}"


documents = st.binary(max_size=50) | st.integers(3000, 90000).map(b"[".__mul__)


@given(changed(GOOD_RUN).map(lambda document: json.dumps(document).encode()) | documents)
def test_run_json(place: Path, content: bytes) -> None:
    read_everything(run_folder(place, run=content))


@given(changed(GOOD_RESULT).map(lambda document: json.dumps(document).encode()) | documents)
def test_result_json(place: Path, content: bytes) -> None:
    read_everything(run_folder(place, result=content))


@given(changed(GOOD_CONFIG).map(lambda document: json.dumps(document).encode()) | st.binary(max_size=50))
def test_config_of_a_run(place: Path, content: bytes) -> None:
    read_everything(run_folder(place, config=content))


rows = changed({"kind": "epoch", "epoch": 1, "step": 3, "learning_rate": 0.1}).map(lambda row: json.dumps(row).encode())


@given(st.lists(rows | documents, max_size=3).map(b"\n".join))
def test_metrics_rows(place: Path, content: bytes) -> None:
    read_everything(run_folder(place, metrics=content))


STATE = {
    "backend": "torch",
    **vars(Position()),
    "recorder": {"row_sums": [0.0, 0, 0], "file": metrics_file.START, **vars(Books()), "epoch_sums": [0.0, 0, 0]},
}


def sealed_checkpoint(place: Path) -> tuple[Path, dict[str, Any]]:
    arrays = {"a": np.zeros(2, np.float32)}
    folder = place / "checkpoints"
    shutil.rmtree(folder, ignore_errors=True)
    path = checkpoint.save(folder, Checkpoint(arrays, arrays, arrays, copy.deepcopy(STATE)))
    manifest = json.loads((path / checkpoint.MANIFEST).read_bytes())
    del manifest["sha256"]
    return path, manifest


def put(path: Path, manifest: dict[str, Any], name: str, content: bytes) -> None:
    """Replaces a file of a checkpoint, and seals the manifest again."""
    (path / name).write_bytes(content)
    manifest["files"][name] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (path / checkpoint.MANIFEST).write_bytes(checkpoint._sealed(manifest))


def load_and_look(path: Path) -> None:
    """What a resume does before the model sees anything."""
    (path.parent / run.METRICS).touch()
    session = Session(None, Settings(), path.parent, None, lambda event: None)  # type: ignore[arg-type]
    with contextlib.suppress(Damaged):
        found = checkpoint.load(path)
        if session._mismatch(found) is None:
            books = {**found.state["recorder"]}
            assert len(books.pop("row_sums")) == 3
            books.pop("file")
            assert len(Books(**books).epoch_sums) == 3
            assert _position_in(found.state).step >= 0


@given(st.data())
def test_checkpoint_manifests(place: Path, data: st.DataObject) -> None:
    path, manifest = sealed_checkpoint(place)
    document = data.draw(changed(manifest))
    with contextlib.suppress(ValueError):  # it can't be sealed, for JSON has no nan
        (path / checkpoint.MANIFEST).write_bytes(checkpoint._sealed(document) if isinstance(document, dict) else b"[]")
    load_and_look(path)
    checkpoint._test_loss(path)


@given(changed(STATE).map(lambda state: json.dumps(state).encode()) | documents)
def test_checkpoint_states(place: Path, content: bytes) -> None:
    path, manifest = sealed_checkpoint(place)
    put(path, manifest, "state.json", content)
    load_and_look(path)


HEADER = {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}, "__metadata__": {"k": "v"}}
dtypes = st.sampled_from(["F64", "F16", "BF16", "I8", "U64", "BOOL", "F8_E4M3", "F8_E5M2", "C64", "F4", "X"])
headers = changed(HEADER) | dtypes.map(lambda dtype: {"a": {"dtype": dtype, "shape": [1], "data_offsets": [0, 8]}})


@given(headers, st.integers(-9, 9))
def test_safetensors_headers(place: Path, header: Any, shift: int) -> None:
    text = json.dumps(header).encode()
    content = max(0, len(text) + shift if abs(shift) == 9 else len(text)).to_bytes(8, "little") + text + bytes(8)
    (place / "w.safetensors").write_bytes(content)
    with ours():
        assert all(isinstance(array, np.ndarray) for array in weights.load(place / "w.safetensors").values())
    path, manifest = sealed_checkpoint(place)
    put(path, manifest, "weights.safetensors", content)
    load_and_look(path)


@given(st.data())
def test_manifests_of_prepared_data(place: Path, data: st.DataObject) -> None:
    folder = prepare(Request("random:2x2x1:2:6", None, place / "cache", None), lambda event: None)
    intact = (folder / cache.MANIFEST).read_bytes()
    manifest = json.loads(intact)
    del manifest["sha256"]
    document = data.draw(changed(manifest))
    with contextlib.suppress(ValueError, TypeError):  # JSON has no nan
        (folder / cache.MANIFEST).write_text(json.dumps(cache.seal(document)))
    cache.damage(folder)
    with ours():
        assert math.prod(Dataset.open(folder).input_shape) >= 0
    (folder / cache.MANIFEST).write_bytes(intact)


descriptions = st.sampled_from(["<f4", "|u1", ">i2", "|O", "<U3", "<M8[s]", "f", "", "V3", "<f99", "(2,)f4"]) | st.text(
    max_size=6
)
shapes = st.lists(st.integers(-2, 40) | st.sampled_from([10**9, 2**63, 10**30]), max_size=4).map(tuple) | st.sampled_from(
    ["x", None, 5]
)
npy_headers = st.builds(
    lambda descr, order, shape: repr({"descr": descr, "fortran_order": order, "shape": shape}),
    descriptions,
    st.booleans(),
    shapes,
) | st.text(max_size=40)


@given(
    npy_headers,
    st.sampled_from([b"\x01\x00", b"\x02\x00", b"\x03\x00", b"\x09\x00"]),
    st.sampled_from(["x_train", "y_train"]),
    st.binary(max_size=40),
)
def test_npz_headers(place: Path, header: str, version: bytes, name: str, data: bytes) -> None:
    text = header.encode("utf-8", "surrogatepass") + b"\n"
    arrays = {
        "x_train": np.zeros((4, 2), np.float32),
        "y_train": np.arange(4) % 2,
        "x_test": np.zeros((2, 2), np.float32),
        "y_test": np.arange(2),
    }
    with zipfile.ZipFile(place / "data.npz", "w") as archive:
        for key, array in arrays.items():
            buffer = io.BytesIO()
            np.save(buffer, array)
            size = len(text).to_bytes(2 if version == b"\x01\x00" else 4, "little")
            archive.writestr(f"{key}.npy", b"\x93NUMPY" + version + size + text + data if key == name else buffer.getvalue())
    with ours():
        prepare(Request(str(place / "data.npz"), None, place / "npz-cache", None), lambda event: None)
