"""What tests use to run the program: the command line and scripts, in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

TESTS = Path(__file__).parent
MODEL_FILES = TESTS / "model_files"
REFERENCE = "tensorflow"  # Keras is the definition, and its TensorFlow backend computes float64 exactly

Probe = Callable[..., dict[str, np.ndarray]]


class Answer:
    """What a command printed and its exit code."""

    def __init__(self, finished: subprocess.CompletedProcess[str]) -> None:
        self.code, self.out, self.err = finished.returncode, finished.stdout, finished.stderr

    def __repr__(self) -> str:
        return f"exit {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"

    @property
    def json(self) -> Any:
        """Standard output, which must be one JSON value and nothing else."""
        return json.loads(self.out)


def unikeras(*arguments: Any, cwd: Path | None = None, **environment: str) -> Answer:
    """Runs the command line in a process of its own."""
    command = [sys.executable, "-P", "-m", "unikeras", *map(str, arguments)]
    env = {**os.environ, **environment}
    return Answer(subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=env, timeout=300, check=False))


def python(code: str, cwd: Path | None = None) -> Answer:
    """Runs a script in a process of its own."""
    return Answer(
        subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, cwd=cwd, timeout=300, check=False)
    )
