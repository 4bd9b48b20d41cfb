"""Checkpoints: what one holds, how it is committed, how it is verified. Arrays travel as safetensors, the rest as JSON; no code.

    checkpoints/step-00000312/
        weights.safetensors     canonical
        optimizer.safetensors   slots under canonical names, and the number of updates
        random.safetensors      generators of the backend that wrote it, which only the same backend takes back
        state.json              epoch, step, early stopping, sums of the metrics, position in metrics.jsonl
        manifest.json           size and SHA-256 of each, and its own

A checkpoint is written under a temporary name, file by file, each forced to the disk; then one rename makes it appear, whole. So
a folder with the name of a checkpoint that doesn't match its manifest has been damaged afterwards, and the one before it is used.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from unikeras import shapes
from unikeras.errors import RunError
from unikeras.faults import reach
from unikeras.files import sync_folder, write_through
from unikeras.run import checkpoint_name, checkpoint_paths
from unikeras.weights import Weights

FORMAT = 1
MANIFEST = "manifest.json"
FILES = ("weights.safetensors", "optimizer.safetensors", "random.safetensors", "state.json")
MANIFEST_SHAPE = {
    "step": int,
    "test_loss": (float, None),
    "files": {name: {"bytes": int, "sha256": str} for name in FILES},
}
KEPT = 2  # of the newest; the best one is kept besides


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """A training between two steps.

    Attributes:
        weights: Canonical weights.
        slots: As `Backend.optimizer_state` gives them.
        random: As `Backend.random_state` gives them.
        state: JSON values; `step` and `test_loss` (None in the middle of an epoch) are read here, the rest by `session.py`.
    """

    weights: Weights
    slots: Weights
    random: Weights
    state: dict[str, Any]


class Damaged(Exception):  # noqa: N818 - whether it is an error depends on whether another checkpoint can stand in
    """A checkpoint is not what was written."""


def save(folder: Path, checkpoint: Checkpoint) -> Path:
    """Commits a checkpoint in `folder`, then removes those that are no longer needed.

    Raises:
        OSError: the disk doesn't take it; those that were there before stay.
    """
    final = folder / checkpoint_name(checkpoint.state["step"])
    partial = folder / f".{final.name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        reach("checkpoint.begin")
        _write_files(partial, checkpoint)
        if final.exists():  # a damaged one, for training has come to its step again
            _remove(final)
        reach("checkpoint.commit")
        partial.rename(final)
    except OSError:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    reach("checkpoint.renamed")
    sync_folder(folder)
    reach("checkpoint.saved")
    _prune(folder, final)
    return final


def load(path: Path) -> Checkpoint:
    """Reads a checkpoint, comparing every file with its hash.

    Raises:
        Damaged: it is not what was written.
    """
    manifest = read_manifest(path)
    contents = {name: _read_verified(path / name, entry) for name, entry in ((name, manifest["files"][name]) for name in FILES)}
    try:
        weights, slots, random = (
            safetensors.numpy.load(contents[f"{name}.safetensors"]) for name in ("weights", "optimizer", "random")
        )
        state = json.loads(contents["state.json"])
    except (LookupError, ValueError, TypeError, RecursionError, safetensors.SafetensorError) as error:
        raise Damaged(f"it can't be read: {type(error).__name__}: {error}") from error
    fault = shapes.fault(state, {"step": int, "test_loss": (float, None)})
    if fault:
        raise Damaged(f"state.json: {fault}")
    return Checkpoint(weights, slots, random, state)


def find(folder: Path, fits: Callable[[Checkpoint], str | None]) -> tuple[Checkpoint | None, list[str]]:
    """The newest checkpoint that is intact and that `fits` has nothing against, and why newer ones were passed over.

    Returns:
        (None, []) if the run has no checkpoint yet.

    Raises:
        RunError: it has some, and none can be used.
    """
    passed_over: list[str] = []
    for path in checkpoint_paths(folder):
        try:
            checkpoint = load(path)
            reason = fits(checkpoint)
        except Damaged as damage:
            reason = str(damage)
        if reason is None:
            return checkpoint, passed_over
        passed_over.append(f"{path.name}: {reason}")
    if passed_over:
        raise RunError(
            f"No checkpoint in {folder} can be used: {'; '.join(passed_over)}.",
            cure="Restore the files from a copy, or train again with another --output.",
        )
    return None, []


def read_manifest(path: Path) -> dict[str, Any]:
    """The manifest of a checkpoint.

    Raises:
        Damaged: it is missing or is not what was written.
    """
    try:
        content = (path / MANIFEST).read_bytes()
        manifest = json.loads(content)
        del manifest["sha256"]
        intact = content == _sealed(manifest)
    except OSError as error:
        raise Damaged(f"{MANIFEST} can't be read: {error.strerror}") from error
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        raise Damaged(f"{MANIFEST} is not what was written") from error
    if not intact:
        raise Damaged(f"{MANIFEST} is not what was written")
    if manifest.get("format") != FORMAT:
        raise Damaged(f"it has format {manifest.get('format')}, and this version of unikeras reads format {FORMAT}")
    fault = shapes.fault(manifest, MANIFEST_SHAPE)
    if fault:
        raise Damaged(f"{MANIFEST}: {fault}")
    return dict(manifest)


def _write_files(folder: Path, checkpoint: Checkpoint) -> None:
    contents = {
        "weights.safetensors": _encode(checkpoint.weights),
        "optimizer.safetensors": _encode(checkpoint.slots),
        "random.safetensors": _encode(checkpoint.random),
        "state.json": json.dumps(checkpoint.state, indent=2).encode(),
    }
    files = {name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in contents.items()}
    manifest = {"format": FORMAT, "step": checkpoint.state["step"], "test_loss": checkpoint.state["test_loss"], "files": files}
    contents[MANIFEST] = _sealed(manifest)
    for name, data in contents.items():
        write_through(folder / name, data)
    sync_folder(folder)


def _read_verified(path: Path, entry: dict[str, Any]) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Damaged(f"{path.name} can't be read: {error.strerror}") from error
    if len(content) != entry["bytes"]:
        raise Damaged(f"{path.name} has {len(content)} bytes instead of {entry['bytes']}")
    if hashlib.sha256(content).hexdigest() != entry["sha256"]:
        raise Damaged(f"the bytes of {path.name} are not those that were written")
    return content


def _prune(folder: Path, newest: Path) -> None:
    """Removes all but the newest ones and the best one: older ones, damaged ones of later steps, what a kill left half done."""
    for path in folder.glob(".step-*"):
        shutil.rmtree(path, ignore_errors=True)
    paths = checkpoint_paths(folder)
    current = paths[paths.index(newest) :]
    kept = {*current[:KEPT], min(current, key=_test_loss)}
    for path in paths:
        if path not in kept:
            _remove(path)
            reach("checkpoint.pruned")


def _remove(path: Path) -> None:
    """Takes the name away first, so that no half of a checkpoint is ever found under it."""
    doomed = path.with_name(f".{path.name}.removed")
    shutil.rmtree(doomed, ignore_errors=True)
    path.rename(doomed)
    shutil.rmtree(doomed, ignore_errors=True)


def _test_loss(path: Path) -> float:
    """The test loss at a checkpoint; infinite where none is known."""
    try:
        loss = read_manifest(path)["test_loss"]
    except Damaged:
        return math.inf
    return math.inf if loss is None else float(loss)


def _encode(arrays: Weights) -> bytes:
    content: bytes = safetensors.numpy.save({name: np.asarray(array, order="C") for name, array in arrays.items()})
    return content


def _sealed(manifest: dict[str, Any]) -> bytes:
    """The one spelling of a manifest, with its own hash."""
    own = hashlib.sha256(json.dumps(manifest, allow_nan=False).encode()).hexdigest()
    return json.dumps({**manifest, "sha256": own}, indent=2).encode()
