"""What torch would unpickle, evaluate or call while it loads a .pt2 archive is refused before torch sees it."""

from __future__ import annotations

import json
import warnings
import zipfile
from pathlib import Path
from typing import Any

import pytest

from unikeras.errors import ExportedFileError
from unikeras.exporting import torch_archive

EXPRESSION = "Symbol('s34', positive=True, integer=True)"


def write(path: Path, changes: dict[str, Any]) -> Path:
    """An archive with the parts of a sound one, and changes to it."""
    values: dict[str, Any] = {
        "use_pickle": False,
        "target": "torch.ops.aten.relu.default",
        "expr_str": EXPRESSION,
        "guards_code": [],
    }
    values |= {key: value for key, value in changes.items() if key in values}
    payload = {"config": {"kernel": {"path_name": "weight_0", "use_pickle": values["use_pickle"]}}}
    model = {"nodes": [{"target": values["target"]}], "expr_str": values["expr_str"], "guards_code": values["guards_code"]}
    members = {
        "model/data/weights/weight_0": b"1234",
        "model/data/weights/model_weights_config.json": json.dumps(payload).encode(),
        "model/data/sample_inputs/model.pt": changes.get("inputs", b""),
        "model/models/model.json": json.dumps(model).encode(),
        changes.get("member", "model/archive_version"): b"0",
    }
    with zipfile.ZipFile(path, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile's, of the name that is there twice
        for name, content in members.items():
            archive.writestr(name, content)
        if "twice" in changes:
            archive.writestr("model/models/model.json", b"{}")
    return path


@pytest.mark.parametrize("expression", [EXPRESSION, f"4*{EXPRESSION}", "s34 + 2"])
def test_a_sound_archive_is_copied_whole(tmp_path: Path, expression: str) -> None:
    path = write(tmp_path / "model.pt2", {"expr_str": expression})
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(torch_archive.checked(path)) as copy:
        assert {name: copy.read(name) for name in copy.namelist()} == {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"inputs": b"\x80\x02}."}, "example inputs, which are unpickled"),
        ({"use_pickle": True}, "a pickled tensor"),
        ({"use_pickle": 1}, "a pickled tensor"),
        ({"target": "torch.os.system"}, "the operation torch.os.system"),
        ({"target": "torch.ops.aten.from_file.default"}, "the operation torch.ops.aten.from_file"),
        ({"expr_str": "__import__('os').system('true')"}, "the expression __import__"),
        ({"expr_str": "().__class__"}, "the expression ().__class__"),
        ({"guards_code": ["print()"]}, "guards, which are Python code"),
        ({"member": "model/data/constants/custom_obj_0"}, "custom_obj_0 has no place in an export"),
        ({"member": "model/data/weights/model.pt"}, "model.pt has no place in an export"),
        ({"member": "serialized_state_dict.pt"}, "serialized_state_dict.pt has no place in an export"),
        ({"twice": True}, "model.json is there twice"),
    ],
)
def test_what_could_run_code_is_refused(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ExportedFileError, match="is not loaded") as error:
        torch_archive.checked(write(tmp_path / "model.pt2", changes))
    assert said in error.value.message


def test_a_file_that_is_no_archive_is_named(tmp_path: Path) -> None:
    (tmp_path / "model.pt2").write_bytes(b"letter")
    with pytest.raises(ExportedFileError, match="is no archive of torch"):
        torch_archive.checked(tmp_path / "model.pt2")
