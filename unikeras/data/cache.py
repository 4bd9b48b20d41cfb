"""Prepared datasets on the disk: how an entry is named, what its manifest says, and whether its bytes are still those.

    <cache_dir>/datasets/<slug>-<identity, 12 hex digits>/
        x_train.npy  y_train.npy  x_test.npy  y_test.npy  manifest.json

An entry appears by one rename, complete. The manifest carries its own hash and the hash, size and mtime of every array. Each use
compares sizes and mtimes, as git's index does; a file whose mtime differs (a copied cache) is hashed in full.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import platformdirs

from unikeras import shapes
from unikeras.errors import DataError

FORMAT = 1
MANIFEST = "manifest.json"
_HASH_CHUNK_BYTES = 1 << 20
_FILE_SHAPE = {"name": str, "shape": [int], "dtype": str, "bytes": int, "sha256": str, "mtime_ns": int}
_SPLIT_SHAPE = {"x": _FILE_SHAPE, "y": _FILE_SHAPE, "class_counts": [int]}
_SHAPE = {
    "name": str,
    "identity": {"source": str},
    "class_names": [str],
    "splits": {"train": _SPLIT_SHAPE, "test": _SPLIT_SHAPE},
    "statistics": {"minimum": float, "maximum": float, "mean": [float], "std": [float]},
}


def datasets_folder(cache_dir: Path | None) -> Path:
    """The folder of all entries; it need not exist."""
    base = Path(platformdirs.user_cache_dir("unikeras")) if cache_dir is None else cache_dir.expanduser()
    return base.absolute() / "datasets"


def entry_folder(cache_dir: Path | None, name: str, identity: dict[str, Any]) -> Path:
    """The folder of the entry for `name`, whose bytes are determined by `identity` (JSON values)."""
    slug = re.sub(r"[^A-Za-z0-9._]+", "-", name.rstrip("/").rsplit("/", 1)[-1] if _is_path(name) else name).strip("-.")[:40]
    return datasets_folder(cache_dir) / f"{slug or 'data'}-{hash_json({'format': FORMAT, **identity})[:12]}"


def hash_json(value: Any) -> str:
    """SHA-256 of a JSON value in its canonical spelling."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()).hexdigest()


def seal(manifest: dict[str, Any]) -> dict[str, Any]:
    """The manifest with its own hash."""
    return {**manifest, "sha256": hash_json(manifest)}


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of an entry.

    Raises:
        DataError: It is missing, or isn't what was written.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        sealed = manifest.pop("sha256")
        intact = sealed == hash_json(manifest)
    except (OSError, ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        raise _damaged(folder, f"its {MANIFEST} can't be read") from error
    if not intact or manifest.get("format") != FORMAT or shapes.fault(manifest, _SHAPE):
        raise _damaged(folder, f"its {MANIFEST} is not what was written")
    return dict(manifest)


def damage(folder: Path) -> str | None:
    """What is wrong with an entry by the quick look, or None."""
    try:
        for file in files(read_manifest(folder)):
            status = (folder / file["name"]).stat()
            if status.st_size != file["bytes"]:
                return f"{file['name']} has {status.st_size} bytes instead of {file['bytes']}"
            if status.st_mtime_ns != file["mtime_ns"] and hash_file(folder / file["name"]) != file["sha256"]:
                return f"{file['name']} was changed"
    except DataError as error:
        return error.message.removeprefix(f"{folder} is damaged: ").removesuffix(".")
    except OSError as error:
        return f"{Path(error.filename or folder).name}: {error.strerror}"
    return None


def verify(folder: Path) -> None:
    """Hash every byte of an entry.

    Raises:
        DataError: A file is missing or differs from the manifest.
    """
    for file in files(read_manifest(folder)):
        try:
            found = hash_file(folder / file["name"])
        except OSError as error:
            raise _damaged(folder, f"{file['name']}: {error.strerror}") from error
        if found != file["sha256"]:
            raise _damaged(folder, f"the bytes of {file['name']} are not those that were prepared")


def files(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """The array files of all splits, in a fixed order."""
    return [split[key] for _, split in sorted(manifest["splits"].items()) for key in ("x", "y")]


def data_hash(manifest: dict[str, Any]) -> str:
    """One SHA-256 over the arrays: their names, hashes, shapes and types; where they came from doesn't matter."""
    return hash_json([[file["name"], file["sha256"], file["shape"], file["dtype"]] for file in files(manifest)])


def hash_file(path: Path) -> str:
    """SHA-256 of a file, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_HASH_CHUNK_BYTES):
            digest.update(piece)
    return digest.hexdigest()


def prepared_names(cache_dir: Path | None) -> set[str]:
    """The names of all datasets that have a readable entry, of whatever image size."""
    names = set()
    for path in datasets_folder(cache_dir).glob(f"[!.]*/{MANIFEST}"):
        try:
            names.add(str(read_manifest(path.parent)["name"]))
        except DataError:
            continue
    return names


def _is_path(name: str) -> bool:
    return name.startswith(("/", ".", "~")) or name.endswith(".npz")


def _damaged(folder: Path, reason: str) -> DataError:
    return DataError(f"{folder} is damaged: {reason}.", cure="Delete this folder; the dataset is prepared again when next used.")
