"""A new backend is one file: it joins the command line, the registry and these tests without being named anywhere."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from support import TESTS, unikeras

from unikeras.backends import BACKENDS
from unikeras.launcher import child_environment

# Each costs a second or more of every start: torch's compiler, the other framework, what Keras has wrappers for.
UNNEEDED = {
    "torch": {"tensorflow.python", "sklearn.base"},
    "native-torch": {"torch._dynamo", "tensorflow.python", "keras.src"},
    "tensorflow": {"torch.nn", "sklearn.base"},
    "native-tensorflow": {"torch.nn", "keras.src"},
}
NEW = '''"""A backend that never learns."""
import numpy as np
from unikeras import model_files
from unikeras.backends import base


class Backend(base.Backend):
    name = "native-json"

    def __init__(self, spec):
        self.spec, self.device, self.sums = spec, "paper", base.Metrics(0.0, 0, 0)
        model_files.load(spec.model_file)

    def train_step(self, inputs, labels, learning_rate):
        self.evaluate_step(inputs, labels)
        return 1.0

    def load_metrics(self, metrics):
        self.sums = metrics

    def evaluate_step(self, inputs, labels):
        loss, correct, samples = self.sums
        guesses = self.predict(inputs).argmax(axis=1)
        self.sums = base.Metrics(loss + len(labels), correct + int((guesses == labels).sum()), samples + len(labels))

    def read_metrics(self):
        sums, self.sums = self.sums, base.Metrics(0.0, 0, 0)
        return sums

    def predict(self, inputs):
        return np.zeros((len(inputs), self.spec.num_classes))

    def weights(self):
        return {"nothing": np.zeros(1)}

    def load_weights(self, weights):
        pass

    def trainable_names(self):
        return []

    def optimizer_state(self):
        return {}

    def load_optimizer_state(self, state):
        pass

    def gradients(self, inputs, labels):
        return 1.0, {}

    def apply_gradients(self, gradients, learning_rate):
        pass

    def trace(self, inputs, training, observe):
        return self.predict(inputs)

    def disable_dropout(self):
        pass
'''


def test_a_new_backend_file_joins_unasked(tmp_path: Path) -> None:
    shutil.copytree(TESTS.parent / "unikeras", tmp_path / "unikeras", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "unikeras" / "backends" / "native_json.py").write_text(NEW)  # json: a package that is always installed
    (tmp_path / "unikeras" / "models" / "mlp_json.py").write_text("def build(input_shape, num_classes):\n    return None\n")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "UNIKERAS_CACHE_DIR": str(tmp_path / "cache")}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-P", "-m", "unikeras", "train", *arguments]
        return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=120, check=False)

    assert "native-json" in run("--backend", "nonsense").stderr
    trained = run("--backend", "native-json", "--model", "mlp", "--dataset", "random:4x4x1:3:60", "--epochs", "2")
    assert trained.returncode == 0, trained.stderr
    assert "native-json" in trained.stdout


def test_a_training_imports_nothing_that_takes_long_and_is_not_needed(backend: str, tmp_path: Path) -> None:
    arguments = ("--model", "mlp", "--dataset", "random:4x4x1:3:60", "--epochs", 1, "--output", tmp_path / "run", "--quiet")
    answer = unikeras("train", "--backend", backend, *arguments, PYTHONPROFILEIMPORTTIME="1")
    assert answer.code == 0, answer
    lines = (tmp_path / "run" / "worker.log").read_text(encoding="utf-8").splitlines()
    imported = {line.rpartition("|")[2].strip() for line in lines if line.startswith("import time:")}
    assert "unikeras.jobs" in imported
    assert imported & UNNEEDED[backend] == set()


def test_what_a_worker_leaves_out_can_be_imported_afterwards() -> None:
    code = "from unikeras import backends; backends.load('torch'); import sklearn.utils"
    env = child_environment(BACKENDS["torch"], threads=1)
    finished = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, env=env, check=False)
    assert finished.returncode == 0, finished.stderr
