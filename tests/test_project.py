"""`unikeras init`: what it writes trains, passes its own tests and agrees on all backends; nothing is ever overwritten."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support import unikeras

from unikeras import project
from unikeras.errors import SettingsError
from unikeras.settings import FIELDS, resolve

SMALL = ("--dataset", "random:8x8x3:3:60")


@pytest.fixture(scope="module")
def flowers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that it made."""
    parent = tmp_path_factory.mktemp("init")
    answer = unikeras("init", "flowers", cwd=parent)
    assert answer.code == 0, answer
    assert "  unikeras check flowers.py --quick\n" in answer.out
    return parent / "flowers"


def test_its_configuration_trains_its_model_to_something(flowers: Path) -> None:
    command = ("train", "--config", "config.yaml", "--backend", "native-torch", "--epochs", 3, "--json")
    answer = unikeras(*command, cwd=flowers)
    assert answer.code == 0, answer
    (result,) = answer.json["runs"]
    assert (result["backend"], result["epochs"]) == ("native-torch", 3)
    assert result["test_accuracy"] > 0.85


@pytest.mark.long
def test_its_tests_pass_on_every_backend(flowers: Path, backend_names: list[str]) -> None:
    command = [sys.executable, "-P", "-m", "pytest", "-v", "-p", "no:cacheprovider", "--backends", ",".join(backend_names)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    finished = subprocess.run(command, cwd=flowers, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    for name in backend_names:
        assert f"test_there_is_one_logit_per_class[{name}] PASSED" in finished.stdout


@pytest.mark.long
def test_its_backends_agree(flowers: Path) -> None:
    answer = unikeras("check", "flowers.py", "--quick", *SMALL, "--json", cwd=flowers)
    assert answer.code == 0, answer
    assert answer.json["agree"] is True


def test_every_line_of_its_configuration_is_allowed_even_those_that_are_commented_out(flowers: Path, tmp_path: Path) -> None:
    text = (flowers / "config.yaml").read_text()
    config = tmp_path / "all.yaml"
    config.write_text(re.sub(r"^# (?=[a-z_]+: )", "", text, flags=re.MULTILINE))
    settings = resolve({}, config, {})
    named = re.findall(r"^(?:# )?([a-z_]+): ", text, re.MULTILINE)
    assert len(named) >= 10
    assert set(named) <= set(FIELDS)
    assert (settings.image_size, settings.threads) == ("32", 1)


def test_without_a_name_it_takes_one(tmp_path: Path) -> None:
    answer = unikeras("init", "--json", cwd=tmp_path)
    assert answer.json["folder"] == "my_model"
    assert sorted(answer.json["files"]) == sorted(str(path.relative_to(tmp_path)) for path in (tmp_path / "my_model").iterdir())
    assert "class MyModel(nn.Module)" in (tmp_path / "my_model" / "my_model_torch.py").read_text()


NAMES = {
    "my-model": "becomes the name of Python files",
    "../x": "becomes the name of Python files",
    "": "becomes the name of Python files",
    "3d": "becomes the name of Python files",
    "Flowers": "becomes the name of Python files",
    "blüten": "becomes the name of Python files",
    "class": "becomes the name of Python files",
    "_x": "becomes the name of Python files",
    "cnn_torch": "belong to another model",
    "test_x": "pytest takes",
    "conftest": "pytest takes",
    "json": "a module of that name is installed",
    "torch": "a module of that name is installed",
    "unikeras": "a module of that name is installed",
    "numpy": "a module of that name is installed",
}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_files_can_not_have_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        project.create(name, tmp_path)
    assert NAMES[name] in caught.value.message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("there", ["folder with a file", "file", "dangling link", "link to an empty folder"])
def test_nothing_is_overwritten(there: str, tmp_path: Path) -> None:
    place = tmp_path / "flowers"
    if there == "folder with a file":
        place.mkdir()
        (place / "notes.txt").write_text("mine")
    elif there == "file":
        place.write_text("mine")
    else:
        target = tmp_path / "elsewhere"
        place.symlink_to(target)
        if there == "link to an empty folder":
            target.mkdir()
    before = sorted(tmp_path.rglob("*"))
    answer = unikeras("init", "flowers", cwd=tmp_path)
    assert answer.code == 2
    assert "error: flowers is there already, and nothing is overwritten." in answer.err
    assert sorted(tmp_path.rglob("*")) == before


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "flowers").mkdir()
    assert unikeras("init", "flowers", cwd=tmp_path).code == 0
    assert len(list((tmp_path / "flowers").iterdir())) == 5


def test_a_place_that_can_not_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="can't be written: No such file or directory"):
        project.create("flowers", tmp_path / "gone")
