"""A model that ends with a softmax is trained with a warning, on every backend; one that gives logits has none."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import MODEL_FILES
from trainings import Trainings

from unikeras.events import Notice

OPTIONS = {"dataset": "random:1x1x4:3:20", "epochs": 1}
Changes = dict[str, list[tuple[str, str]]]

# What turns the linear models into ones that end so: with a layer, and with a mere operation.
MADE = "num_classes, 1)\n"
LAYER: Changes = {
    "linear": [("layers.Flatten()", 'layers.Flatten(), layers.Softmax(name="probabilities")')],
    "linear_torch": [
        (MADE, f"{MADE}        self.probabilities = nn.Softmax(1)\n"),
        ("self.conv(inputs).flatten(1)", "self.probabilities(self.conv(inputs).flatten(1))"),
    ],
    "linear_tensorflow": [
        (
            "class Linear",
            "class Softmax(tf.Module):\n    __call__ = lambda self, inputs: tf.nn.softmax(inputs)\n\n\nclass Linear",
        ),
        (MADE, f"{MADE}        self.probabilities = Softmax()\n"),
        ("flatten(self.conv(inputs))", "self.probabilities(flatten(self.conv(inputs)))"),
    ],
}
OPERATION: Changes = {
    "linear": [],
    "linear_torch": [("self.conv(inputs).flatten(1)", "self.conv(inputs).flatten(1).softmax(1)")],
    "linear_tensorflow": [("flatten(self.conv(inputs))", "tf.nn.softmax(flatten(self.conv(inputs)))")],
}
OWN_LOSS = {
    "linear": "\n\ndef loss(labels, p):\n    return keras.losses.sparse_categorical_crossentropy(labels, p)\n",
    "linear_torch": "\n\ndef loss(labels, p):\n    return -p.gather(1, labels[:, None]).log()\n",
    "linear_tensorflow": "\n\ndef loss(labels, p):\n    return -tf.math.log(tf.gather(p, labels, batch_dims=1))\n",
}


def warnings(trainings: Trainings, folder: Path, changes: Changes, ending: dict[str, str]) -> list[str]:
    folder.mkdir()
    for stem, replacements in changes.items():
        text = (MODEL_FILES / f"{stem}.py").read_text()
        for old, new in replacements:
            assert old in text
            text = text.replace(old, new)
        (folder / f"{stem}.py").write_text(text + ending.get(stem, ""))
    ended = trainings.finish(folder / "run", trainings.settings(model=folder / "linear.py", **OPTIONS))
    return [event.text for event in ended.events if isinstance(event, Notice) and "softmax" in event.text]


@pytest.mark.one_backend
def test_the_layer_is_named(trainings: Trainings, tmp_path: Path) -> None:
    (warning,) = warnings(trainings, tmp_path / "m", LAYER, {})
    assert "ends with a softmax (layer probabilities), but the loss expects logits" in warning


def test_an_operation_is_noticed_too_but_has_no_name(trainings: Trainings, tmp_path: Path) -> None:
    if not trainings.backend.startswith("native"):
        pytest.skip("in Keras every operation is a layer")
    (warning,) = warnings(trainings, tmp_path / "m", OPERATION, {})
    assert "ends with a softmax (an operation that is no layer)" in warning


@pytest.mark.one_backend
def test_a_loss_of_ones_own_may_want_probabilities(trainings: Trainings, tmp_path: Path) -> None:
    assert warnings(trainings, tmp_path / "m", LAYER, OWN_LOSS) == []


@pytest.mark.one_backend
def test_logits_give_no_warning(trainings: Trainings, tmp_path: Path) -> None:
    assert warnings(trainings, tmp_path / "m", {stem: [] for stem in LAYER}, {}) == []
