"""Faults in the loss, in what goes into the model, and in what is reported of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from unikeras.checking.plants import plant
from unikeras.checking.plants.patching import put, wrap

Call = Callable[..., Any]


def change_loss(steps: Any, change: Callable[[Call, Any, Any], Any]) -> None:
    """A backend's loss becomes `change(loss, labels, logits)`.

    Args:
        steps: Class of the backend's steps.
    """

    def choose(original: Call, self: Any) -> Call:
        loss = original(self)
        return lambda labels, logits: change(loss, labels, logits)

    wrap(steps, "_choose_loss", choose)


def change_smoothing(steps: Any, change: Callable[[float, int], float]) -> None:
    """A backend's loss gets another label smoothing, from the right one and the number of classes."""

    def choose(original: Call, self: Any) -> Call:
        right = self.spec
        self.spec = dataclasses.replace(right, label_smoothing=change(right.label_smoothing, right.num_classes))
        loss: Call = original(self)
        self.spec = right
        return loss

    wrap(steps, "_choose_loss", choose)


@plant(
    "loss-averaged-twice",
    "The mean loss is divided by the batch's size once more.",
    backend="torch",
    stage="loss",
    looks_like="averaged twice",
)
def loss_averaged_twice() -> None:
    """`loss / len(batch)` after a loss that is a mean already. Adam hides it, for it takes no notice of the scale."""
    from unikeras.backends._torch import TorchSteps

    change_loss(TorchSteps, lambda loss, labels, logits: loss(labels, logits) / len(labels))


@plant(
    "loss-summed",
    "The loss is the sum over the batch, not its mean.",
    backend="native-torch",
    stage="loss",
    looks_like="summed",
)
def loss_summed() -> None:
    """`reduction="sum"`."""
    from unikeras.backends._torch import TorchSteps

    change_loss(TorchSteps, lambda loss, labels, logits: loss(labels, logits) * len(labels))


@plant(
    "softmax-twice",
    "The loss applies softmax to what has been through one already.",
    backend="native-tensorflow",
    stage="loss",
    looks_like="softmax",
)
def softmax_twice() -> None:
    """Probabilities handed to a loss that takes logits: `from_logits=True` and a softmax."""
    import tensorflow as tf

    from unikeras.backends._tensorflow import TensorFlowSteps

    change_loss(TensorFlowSteps, lambda loss, labels, logits: loss(labels, tf.nn.softmax(logits)))


@plant(
    "loss-over-classes",
    "The loss is averaged over the classes as well.",
    backend="tensorflow",
    stage="loss",
    looks_like="over the classes",
)
def loss_over_classes() -> None:
    """`tf.reduce_mean(-targets * log_probabilities)` without the sum over classes."""
    from unikeras.backends._tensorflow import TensorFlowSteps

    change_loss(TensorFlowSteps, lambda loss, labels, logits: loss(labels, logits) / logits.shape[1])


@plant(
    "labels-shifted",
    "The loss takes each label for the next class.",
    backend="native-torch",
    stage="loss",
    looks_like="shifted",
)
def labels_shifted() -> None:
    """Classes counted from 1, as MATLAB's files and a background class do."""
    from unikeras.backends._torch import TorchSteps

    change_loss(TorchSteps, lambda loss, labels, logits: loss((labels + 1) % logits.shape[1], logits))


@plant(
    "label-smoothing-ignored",
    "Label smoothing has no effect.",
    backend="tensorflow",
    stage="loss",
    looks_like="smoothing is ignored",
)
def label_smoothing_ignored() -> None:
    """`SparseCategoricalCrossentropy` knows no smoothing, so a careless port drops it."""
    from unikeras.backends._tensorflow import TensorFlowSteps

    change_smoothing(TensorFlowSteps, lambda smoothing, classes: 0.0)


@plant(
    "label-smoothing-among-others",
    "Label smoothing spreads its share over the other classes only.",
    backend="native-tensorflow",
    stage="loss",
    looks_like="k−1",
)
def label_smoothing_among_others() -> None:
    """ε/(K − 1) for the wrong classes, as some papers have it; Keras and torch give ε/K to all."""
    from unikeras.backends._tensorflow import TensorFlowSteps

    change_smoothing(TensorFlowSteps, lambda smoothing, classes: smoothing * classes / (classes - 1))


@plant(
    "gradients-halved",
    "All gradients are half of what they should be; the reported loss is right.",
    backend="torch",
    stage="gradients",
    looks_like="multiplied by 0.5",
)
def gradients_halved() -> None:
    """`(loss / 2).backward()` of gradient accumulation that isn't used any more. Adam hides it."""
    from unikeras.backends._torch import TorchSteps

    def differentiate(original: Call, self: Any, inputs: Any, labels: Any) -> Any:
        results = original(self, inputs, labels)
        for name in self.trainable_names():
            self.tensor(name).grad.mul_(0.5)
        return results

    wrap(TorchSteps, "_differentiate", differentiate)


@plant(
    "loss-after-update",
    "The training loss is that of the updated model in inference mode.",
    backend="native-torch",
    stage="steps",
    looks_like="updated model",
)
def loss_after_update() -> None:
    """A model is evaluated on its training batch after each step, and that is logged as its training loss."""
    from unikeras.backends._torch import TorchSteps

    def train_step(original: Call, self: Any, inputs: Any, labels: Any, learning_rate: float) -> Any:
        before = self.sums.clone()
        loss = original(self, inputs, labels, learning_rate)
        self.sums.copy_(before)
        self.evaluate_step(inputs, labels)
        return loss

    wrap(TorchSteps, "train_step", train_step)


@plant(
    "inputs-not-scaled",
    "Inputs arrive as 0 … 255, not as 0 … 1.",
    backend="native-tensorflow",
    stage="forward",
    layer="conv1",
    looks_like="not scaled",
)
def inputs_not_scaled() -> None:
    """`tf.cast` and no division."""
    import tensorflow as tf

    from unikeras.backends._tensorflow import TensorFlowSteps

    put(TensorFlowSteps, "_normalized", lambda self, inputs: tf.cast(inputs, self.dtype))


@plant(
    "inputs-scaled-by-256",
    "Inputs are divided by 256, not by 255.",
    backend="torch",
    stage="forward",
    layer="conv1",
    looks_like="1/256",
)
def inputs_scaled_by_256() -> None:
    """Too small to be seen in any accuracy."""
    from unikeras.backends._torch import TorchSteps

    wrap(TorchSteps, "to_device", lambda original, self, inputs: original(self, inputs) * (255 / 256))


@plant(
    "inputs-symmetric",
    "Inputs are scaled to [−1, 1], not to [0, 1].",
    backend="tensorflow",
    stage="forward",
    layer="conv1",
    looks_like="[−1, 1]",
)
def inputs_symmetric() -> None:
    """The preprocessing of another family of networks: `mode="tf"` for `mode="torch"` in `keras.applications`."""
    from unikeras.backends._tensorflow import TensorFlowSteps

    wrap(TensorFlowSteps, "_normalized", lambda original, self, inputs: 2 * original(self, inputs) - 1)


@plant(
    "inputs-transposed",
    "Images come in with rows and columns swapped.",
    backend="native-torch",
    stage="forward",
    layer="conv1",
    looks_like="rows and columns swapped",
)
def inputs_transposed() -> None:
    """A wrong `permute` on the way to torch's layout: unseen in shapes as long as images are square."""
    from unikeras.backends._torch import TorchSteps

    wrap(TorchSteps, "to_device", lambda original, self, inputs: original(self, inputs).transpose(1, 2))
