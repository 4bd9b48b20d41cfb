"""Faults in normalisation layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from unikeras.checking.plants import plant
from unikeras.checking.plants.patching import after_init, put, wrap

Call = Callable[..., Any]


@plant(
    "batch-norm-momentum-0.9",
    "BatchNormalization keeps 0.9 of its running statistics, not 0.99.",
    backend="torch",
    stage="forward",
    layer="norm1",
    looks_like="momentum 0.9 ",
)
def batch_norm_momentum() -> None:
    """The default of torch, `momentum=0.1`, which is Keras' 0.9."""
    import keras

    after_init(keras.layers.BatchNormalization, lambda layer: put(layer, "momentum", 0.9))


@plant(
    "batch-norm-momentum-swapped",
    "BatchNormalization keeps 0.01 of its running statistics and takes 0.99 of the batch's.",
    backend="native-tensorflow",
    stage="forward",
    layer="norm1",
    looks_like="swapped",
)
def batch_norm_momentum_swapped() -> None:
    """Keras' momentum is the share that stays, torch's the share that comes."""
    import tensorflow as tf

    from unikeras.layers.tensorflow import BatchNorm

    def call(original: Call, self: Any, inputs: Any, training: bool) -> Any:
        if not training:
            return original(self, inputs, training)
        before = tf.identity(self.moving_mean), tf.identity(self.moving_variance)
        outputs = original(self, inputs, training)
        for running, old, new in zip(
            (self.moving_mean, self.moving_variance), before, tf.nn.moments(inputs, [0, 1, 2]), strict=True
        ):
            running.assign(0.01 * old + 0.99 * new)
        return outputs

    wrap(BatchNorm, "__call__", call)


@plant(
    "batch-norm-epsilon-1e-5",
    "BatchNormalization with torch's default epsilon, 1e-5, where Keras has 1e-3.",
    backend="native-torch",
    stage="forward",
    layer="norm1",
    looks_like="epsilon 1e-05",
)
def batch_norm_epsilon() -> None:
    """`nn.BatchNorm2d(channels)`."""
    from unikeras.layers.torch import BatchNorm2d

    after_init(BatchNorm2d, lambda layer: put(layer, "eps", 1e-5))


@plant(
    "batch-norm-epsilon-outside-root",
    "BatchNormalization divides by the deviation plus epsilon, not by the root of variance plus epsilon.",
    backend="tensorflow",
    stage="forward",
    layer="norm1",
    looks_like="epsilon outside the root",
)
def batch_norm_epsilon_outside() -> None:
    """The usual slip in a layer written by hand."""
    from keras.src import ops

    def batch_normalization(original: Call, *args: Any, variance: Any, epsilon: float, **kwargs: Any) -> Any:
        return original(*args, variance=ops.square(ops.sqrt(variance) + epsilon), epsilon=0.0, **kwargs)

    wrap(ops, "batch_normalization", batch_normalization)


@plant(
    "batch-norm-running-variance-unbiased",
    "BatchNormalization's running variance is multiplied by n/(n − 1).",
    backend="native-torch",
    stage="forward",
    layer="norm1",
    looks_like="unbiased",
)
def batch_norm_running_variance() -> None:
    """What torch does. It normalises by the biased variance all the same, so that training shows nothing."""
    from torch.nn import functional

    from unikeras.layers.torch import BatchNorm2d

    def forward(self: Any, inputs: Any) -> Any:
        statistics = self.running_mean, self.running_var
        return functional.batch_norm(inputs, *statistics, self.weight, self.bias, self.training, 0.01, self.eps)

    put(BatchNorm2d, "forward", forward)


@plant(
    "batch-norm-batch-variance-unbiased",
    "BatchNormalization normalises by the unbiased variance of the batch.",
    backend="tensorflow",
    stage="forward",
    layer="norm1",
    looks_like="unbiased",
)
def batch_norm_batch_variance() -> None:
    """`torch.var` and pandas divide by n − 1 unless told otherwise; NumPy and TensorFlow by n."""
    import keras

    def moments(original: Call, self: Any, inputs: Any, mask: Any) -> Any:
        mean, variance = original(self, inputs, mask)
        count = keras.ops.cast(keras.ops.size(inputs) / keras.ops.size(mean), inputs.dtype)
        return mean, variance * count / (count - 1)

    wrap(keras.layers.BatchNormalization, "_moments", moments)


@plant(
    "batch-norm-never-updated",
    "BatchNormalization's running statistics stay where they started.",
    backend="torch",
    stage="forward",
    layer="norm1",
    looks_like="never updated",
)
def batch_norm_never_updated() -> None:
    """TensorFlow 1 without its update ops, or a step compiled without its state."""
    import keras

    after_init(keras.layers.BatchNormalization, lambda layer: put(layer, "momentum", 1.0))


@plant(
    "batch-norm-running-in-training",
    "BatchNormalization normalises by its running statistics in training, too.",
    backend="native-tensorflow",
    stage="forward",
    layer="norm1",
    looks_like="running statistics used in training",
)
def batch_norm_running_in_training() -> None:
    """`training=True` isn't handed on to the layer's normalisation."""
    from unikeras.layers.tensorflow import BatchNorm

    def call(original: Call, self: Any, inputs: Any, training: bool) -> Any:
        outputs = original(self, inputs, False)
        if training:
            original(self, inputs, True)  # the statistics move as they have to
        return outputs

    wrap(BatchNorm, "__call__", call)


@plant(
    "batch-norm-gamma-missing",
    "BatchNormalization doesn't multiply by gamma.",
    backend="tensorflow",
    stage="forward",
    layer="norm1",
    looks_like="gamma is missing",
)
def batch_norm_gamma_missing() -> None:
    """`scale=False` as before a ReLU in old recipes; unseen as long as gamma is 1."""
    from keras.src import ops

    def batch_normalization(original: Call, *args: Any, scale: Any = None, **kwargs: Any) -> Any:
        return original(*args, scale=None, **kwargs)

    wrap(ops, "batch_normalization", batch_normalization)


@plant(
    "layer-norm-epsilon-1e-5",
    "LayerNormalization with torch's default epsilon, 1e-5, where Keras has 1e-3.",
    backend="native-torch",
    stage="forward",
    layer="norm3",
    looks_like="epsilon 1e-05",
)
def layer_norm_epsilon() -> None:
    """`nn.LayerNorm(features)`."""
    from torch import nn

    after_init(nn.LayerNorm, lambda layer: put(layer, "eps", 1e-5))


@plant(
    "layer-norm-unbiased",
    "LayerNormalization divides by the unbiased deviation.",
    backend="native-tensorflow",
    stage="forward",
    layer="norm3",
    looks_like="unbiased",
)
def layer_norm_unbiased() -> None:
    """`x.std()` in a layer written by hand, as in The Annotated Transformer."""
    import tensorflow as tf

    from unikeras.layers.tensorflow import LayerNorm

    def call(self: Any, inputs: Any) -> Any:
        mean, variance = tf.nn.moments(inputs, [-1], keepdims=True)
        count = inputs.shape[-1]
        return tf.nn.batch_normalization(inputs, mean, variance * count / (count - 1), self.beta, self.gamma, 1e-3)

    put(LayerNorm, "__call__", call)
