"""Which image files of a folder belong to which class and split; looks at names only."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

from unikeras.errors import DataError, nearest

_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"})
_TEST_NAMES = ("test", "val", "validation")
_LAYOUT = "Expected: a subfolder of images per class, or train/ and test/ (or val/, validation/) that each hold such subfolders."


@dataclasses.dataclass(frozen=True)
class Layout:
    """The files of a dataset.

    Attributes:
        class_names: Sorted names of the class folders.
        train: (file, label), sorted by class and path.
        test: The same for the test set; None when the folder has no test set of its own.
        others: Files that are no images and are left out.
    """

    class_names: list[str]
    train: list[tuple[Path, int]]
    test: list[tuple[Path, int]] | None
    others: list[Path]


def read_layout(root: Path) -> Layout:
    """Find the classes and files under a folder.

    Raises:
        DataError: The folder isn't there, or isn't laid out as a dataset.
    """
    if not root.is_dir():
        what = "is a file" if root.exists() else "does not exist"
        raise DataError(f"Folder {root} {what}.", cure=f"Name a folder or an .npz file. {_LAYOUT}")
    folders = _subfolders(root)
    test_name = next((name for name in _TEST_NAMES if name in folders), None)
    split = "train" in folders and (test_name is not None or len(folders) == 1)
    train_root = root / "train" if split else root
    class_names = _subfolders(train_root)
    if len(class_names) < 2:
        found = f"only the subfolder {class_names[0]}" if class_names else "no subfolders"
        raise DataError(f"{train_root} has {found}, but a classifier needs at least 2 classes.", cure=_LAYOUT)
    others: list[Path] = []
    train = _files(train_root, class_names, others)
    _check_filled(train_root, class_names, train)
    test = _test_files(root / test_name, class_names, others) if split and test_name else None
    return Layout(class_names, train, test, others)


def _test_files(root: Path, class_names: list[str], others: list[Path]) -> list[tuple[Path, int]]:
    for name in _subfolders(root):
        if name not in class_names:
            raise DataError(f"{root} has class {name!r}, which the training set lacks.", cure=nearest(name, class_names))
    files = _files(root, class_names, others)
    if not files:
        raise DataError(f"{root} has no images.", cure=_LAYOUT)
    return files


def _check_filled(root: Path, class_names: list[str], files: list[tuple[Path, int]]) -> None:
    filled = {label for _, label in files}
    for label, name in enumerate(class_names):
        if label not in filled:
            raise DataError(
                f"Class folder {root / name} has no images.",
                cure=f"Add some, or remove the folder. Image files end in {', '.join(sorted(_SUFFIXES))}.",
            )


def _subfolders(root: Path) -> list[str]:
    try:
        found = [entry for entry in os.scandir(root) if entry.is_dir() and not entry.name.startswith(".")]
    except OSError as error:
        raise DataError(f"{error.filename or root} can't be read: {error.strerror}.", cure="Remove or repair it.") from error
    for entry in found:
        if entry.is_symlink() and root.resolve().is_relative_to(Path(entry.path).resolve()):
            raise DataError(
                f"{entry.path} is a link to a folder that holds it, so it would hold all images.", cure="Remove the link."
            )
    return sorted(entry.name for entry in found)


def _files(root: Path, class_names: list[str], others: list[Path]) -> list[tuple[Path, int]]:
    """The images under each class folder, at any depth; what is no image goes to `others`."""
    found = []
    for label, name in enumerate(class_names):
        paths = sorted(Path(folder, file) for folder, _, files in os.walk(root / name) for file in files if file[0] != ".")
        found += [(path, label) for path in paths if path.suffix.lower() in _SUFFIXES]
        others += [path for path in paths if path.suffix.lower() not in _SUFFIXES]
    return found
