"""Faults in differentiation: outputs are right, and gradients aren't."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from unikeras.checking.plants import plant
from unikeras.checking.plants.patching import temporarily, wrap

Call = Callable[..., Any]


@plant(
    "gradient-detached",
    "No gradient reaches a layer, whose outputs are right.",
    backend="native-torch",
    stage="gradients",
    layer="conv1",
    looks_like="detached",
)
def gradient_detached() -> None:
    """`.detach()`, `.item()` or a way through NumPy on the path to the loss."""
    from unikeras.layers.torch import SameConv2d

    def forward(original: Call, self: Any, inputs: Any) -> Any:
        outputs = original(self, inputs)
        return outputs.detach() if self.stride[0] > 1 else outputs

    wrap(SameConv2d, "forward", forward)


@plant(
    "gradient-doubled",
    "The gradient of one kernel counts twice.",
    backend="native-tensorflow",
    stage="gradients",
    layer="dense2",
    looks_like="multiplied by 2",
)
def gradient_doubled() -> None:
    """A custom gradient that forgets a half. The outputs are right."""
    import tensorflow as tf

    from unikeras.layers.tensorflow import Dense

    def call(original: Call, self: Any, inputs: Any) -> Any:
        if self.kernel.shape[0] != self.kernel.shape[1]:
            return original(self, inputs)
        with temporarily(self, kernel=2 * self.kernel - tf.stop_gradient(self.kernel)):
            return original(self, inputs)

    wrap(Dense, "__call__", call)


@plant(
    "batch-norm-gradient-cut",
    "BatchNormalization takes the batch's statistics for constants when it is differentiated.",
    backend="native-tensorflow",
    stage="gradients",
    layer="conv2",  # its own gradients are right; those of all layers before the last normalisation are not
    looks_like="norm2 takes the statistics of the batch for constants",
)
def batch_norm_gradient_cut() -> None:
    """Statistics that were computed under `stop_gradient`, or outside of the tape."""
    import tensorflow as tf

    from unikeras.layers import tensorflow as layers

    def call(original: Call, self: Any, inputs: Any, training: bool) -> Any:
        if training:
            original(self, inputs, training)
            mean, variance = map(tf.stop_gradient, tf.nn.moments(inputs, [0, 1, 2]))
            return tf.nn.batch_normalization(inputs, mean, variance, self.beta, self.gamma, 1e-3)
        return original(self, inputs, training)

    wrap(layers.BatchNorm, "__call__", call)
