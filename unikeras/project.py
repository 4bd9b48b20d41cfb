"""`unikeras init`: a folder to start one's own model from, filled from the templates in `project_templates`."""

from __future__ import annotations

import importlib.util
import keyword
import os
import shutil
import string
import sys
from pathlib import Path

from unikeras.errors import SettingsError

TEMPLATES = Path(__file__).parent / "project_templates"
SUFFIX = ".tmpl"
DESCRIPTIONS = {  # by template, in the order in which they are listed
    "model.py": "the model, in Keras 3",
    "model_torch.py": "the same in torch alone, for native-torch",
    "model_tensorflow.py": "the same in TensorFlow alone, for native-tensorflow",
    "config.yaml": "settings for `unikeras train`",
    "test_model.py": "tests, once for each backend",
}
SIBLINGS = ("_torch", "_tensorflow")  # endings of native files


def create(name: str, parent: Path) -> dict[Path, str]:
    """Writes the folder `name` in `parent`.

    Returns:
        Its files, and what each is.

    Raises:
        SettingsError: the name can't be that of a model file, the folder holds something already or can't be written.
    """
    _require_name(name)
    folder = parent / name
    if os.path.lexists(folder) and not _is_empty_folder(folder):
        raise SettingsError(f"{folder} is there already, and nothing is overwritten.", cure="Choose another NAME, or remove it.")
    values = {"name": name, "class_name": "".join(part.capitalize() for part in name.split("_"))}
    files = {folder / template.replace("model", name): template for template in DESCRIPTIONS}
    try:
        folder.mkdir(exist_ok=True)
        for path, template in files.items():
            text = (TEMPLATES / (template + SUFFIX)).read_text(encoding="utf-8")
            path.write_text(string.Template(text).substitute(values), encoding="utf-8")
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise SettingsError(f"{folder} can't be written: {error.strerror}.", cure="Go to another folder, or make room.") from None
    return {path: DESCRIPTIONS[template] for path, template in files.items()}


def _is_empty_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink() and not any(path.iterdir())


def _require_name(name: str) -> None:
    """Checks that a Python module could have the name, and that none that is installed has it."""
    cure = "Take small letters, digits and _, beginning with a letter: flowers, my_model."
    if not (name.isascii() and name.isidentifier() and name == name.lower() and name[0] != "_") or keyword.iskeyword(name):
        raise SettingsError(f"NAME can't be {name!r}: it becomes the name of Python files.", cure=cure)
    if name.endswith(SIBLINGS):
        raise SettingsError(f"NAME can't be {name!r}: files that end so belong to another model.", cure=cure)
    if name.startswith("test_") or name == "conftest":
        raise SettingsError(f"NAME can't be {name!r}: pytest takes such files for tests.", cure=cure)
    if _is_taken(name):
        raise SettingsError(f"NAME can't be {name!r}: a module of that name is installed, which the file would hide.", cure=cure)


def _is_taken(name: str) -> bool:
    if name in sys.stdlib_module_names or name in ("keras", "tensorflow", "torch"):
        return True
    spec = importlib.util.find_spec(name)
    return spec is not None and spec.origin is not None  # a mere folder has none
