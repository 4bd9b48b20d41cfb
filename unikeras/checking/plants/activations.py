"""Faults in activations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from unikeras.checking.plants import plant
from unikeras.checking.plants.patching import after_init, put, wrap

Call = Callable[..., Any]


@plant(
    "leaky-relu-slope-0.01",
    "leaky_relu with torch's default slope, 0.01, where Keras has 0.2.",
    backend="torch",
    stage="forward",
    layer="dense1",
    looks_like="slope 0.01",
)
def leaky_relu_slope() -> None:
    """`nn.LeakyReLU()`."""
    import keras

    def change(layer: Any) -> None:
        if layer.activation is keras.activations.leaky_relu:
            layer.activation = lambda x: keras.activations.leaky_relu(x, 0.01)

    after_init(keras.layers.Dense, change)


@plant(
    "relu-missing",
    "Convolutions leave out their ReLU.",
    backend="tensorflow",
    stage="forward",
    layer="conv1",
    looks_like="relu is missing",
)
def relu_missing() -> None:
    """`Conv2D(8, 3)` for `Conv2D(8, 3, activation="relu")`."""
    import keras

    after_init(keras.layers.Conv2D, lambda layer: put(layer, "activation", keras.activations.linear))


@plant(
    "relu-is-gelu",
    "GELU in the place of ReLU.",
    backend="native-tensorflow",
    stage="forward",
    layer="conv1",
    looks_like="gelu",
)
def relu_is_gelu() -> None:
    """A newer recipe's activation in an older network."""
    import tensorflow as tf

    put(tf.nn, "relu", tf.nn.gelu)


@plant(
    "softmax-at-the-end",
    "The model returns probabilities, not logits.",
    backend="native-torch",
    stage="forward",
    looks_like="softmax",
)
def softmax_at_the_end() -> None:
    """A softmax at the end of the model and a loss that has its own: training still gets somewhere, slowly."""
    from unikeras.backends.native_torch import Backend

    def forward(original: Call, self: Any, inputs: Any, training: bool) -> Any:
        return original(self, inputs, training).softmax(dim=1)

    wrap(Backend, "forward", forward)
