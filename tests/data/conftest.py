"""Helpers of the data tests: requests into a fresh cache, and Python in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from unikeras.data.dataset import Dataset
from unikeras.data.prepare import prepare
from unikeras.data.request import Request

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def no_other_tfds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Datasets that happen to lie on this machine must not decide a test."""
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "no-tfds"))
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def request_for(tmp_path: Path) -> Callable[..., Request]:
    """Makes requests whose cache is in the test's folder."""

    def make(name: object, size: str | None = None, data_dir: Path | None = None) -> Request:
        return Request(str(name), data_dir, tmp_path / "cache", size)

    return make


@pytest.fixture
def prepared(request_for: Callable[..., Request]) -> Callable[..., Dataset]:
    """Prepares and opens a dataset."""

    def make(name: object, size: str | None = None) -> Dataset:
        return Dataset.open(prepare(request_for(name, size), lambda event: None))

    return make


@pytest.fixture
def python() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs code in a fresh process, with its arguments in `sys.argv[1:]`."""

    def run(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
        command = [sys.executable, "-c", code, *map(str, arguments)]
        return subprocess.run(command, env=environment, text=True, capture_output=True, timeout=300, check=False)

    return run
