"""Faults in layers and between them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from unikeras.checking.plants import plant
from unikeras.checking.plants.patching import after_init, put, temporarily, wrap

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
    "evaluation-in-training-mode",
    "The model is in training mode while it is evaluated.",
    backend="native-torch",
    stage="forward",
    layer="norm1",
    looks_like="batch's statistics used at evaluation",
)
def evaluation_in_training_mode() -> None:
    """No `model.eval()`: predictions depend on what else is in the batch."""
    from unikeras.backends.native_torch import Backend

    wrap(Backend, "forward", lambda original, self, inputs, training: original(self, inputs, True))


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


@plant(
    "padding-odd-pixel-first",
    "Where padding is odd, the extra pixel goes to the top and left.",
    backend="native-torch",
    stage="forward",
    layer="conv1",
    looks_like="odd pixel",
)
def padding_odd_pixel_first() -> None:
    """The other way round of Keras' and TensorFlow's `same`; Caffe's and some ONNX exporters' (SAME_LOWER)."""
    from unikeras.layers.torch import SameConv2d

    wrap(SameConv2d, "_padding", lambda original, self, size, axis: original(self, size, axis)[::-1])


@plant(
    "padding-symmetric",
    "A strided convolution pads one pixel on every side, as torch's padding=1 does.",
    backend="native-tensorflow",
    stage="forward",
    layer="conv1",
    looks_like="odd pixel",
)
def padding_symmetric() -> None:
    """A torch model carried over with an explicit `tf.pad`: the output has the right size and looks at other pixels."""
    import tensorflow as tf

    from unikeras.layers.tensorflow import Conv2D

    def call(original: Call, self: Any, inputs: Any) -> Any:
        if self.stride == 1:
            return original(self, inputs)
        half = self.kernel.shape[0] // 2
        with temporarily(self, padding="VALID"):
            return original(self, tf.pad(inputs, [[0, 0], [half, half], [half, half], [0, 0]]))

    wrap(Conv2D, "__call__", call)


@plant(
    "flatten-channels-first",
    "Flatten puts the channel first, so that the next kernel's rows belong to other values.",
    backend="native-torch",
    stage="forward",
    layer="flatten",
    looks_like="channel first",
)
def flatten_channels_first() -> None:
    """`nn.Flatten()` on torch's layout, B×C×H×W: unseen where a pooling left one pixel."""
    from unikeras.layers.torch import Flatten

    put(Flatten, "forward", lambda self, inputs: inputs.flatten(1))


@plant(
    "flatten-columns-first",
    "Flatten goes through columns before rows.",
    backend="tensorflow",
    stage="forward",
    layer="flatten",
    looks_like="column first",
)
def flatten_columns_first() -> None:
    """Width and height taken for each other: unseen in shapes as long as images are square."""
    import keras

    def call(original: Call, self: Any, inputs: Any) -> Any:
        return original(self, keras.ops.swapaxes(inputs, 1, 2) if len(inputs.shape) == 4 else inputs)

    wrap(keras.layers.Flatten, "call", call)


@plant(
    "conv-kernel-flipped",
    "Convolutions turn their kernels around, as mathematics defines it; every framework's layer correlates.",
    backend="native-tensorflow",
    stage="forward",
    layer="conv1",
    looks_like="flipped",
)
def conv_kernel_flipped() -> None:
    """`scipy.signal.convolve`, or weights converted from Theano, which flipped."""
    import tensorflow as tf

    from unikeras.layers.tensorflow import Conv2D

    def call(original: Call, self: Any, inputs: Any) -> Any:
        with temporarily(self, kernel=tf.reverse(self.kernel, [0, 1])):
            return original(self, inputs)

    wrap(Conv2D, "__call__", call)


@plant(
    "conv-bias-missing",
    "Convolutions don't add their bias.",
    backend="torch",
    stage="forward",
    layer="conv1",
    looks_like="bias is missing",
)
def conv_bias_missing() -> None:
    """The parameter is there and is never used: unseen as long as it is zero, and its gradient is."""
    import keras

    def call(original: Call, self: Any, inputs: Any) -> Any:
        with temporarily(self, use_bias=False):
            return original(self, inputs)

    wrap(keras.layers.Conv2D, "call", call)


@plant(
    "dense-bias-missing",
    "Dense layers don't add their bias.",
    backend="native-tensorflow",
    stage="forward",
    layer="dense1",
    looks_like="bias is missing",
)
def dense_bias_missing() -> None:
    """`tf.matmul` and nothing after it."""
    import tensorflow as tf

    from unikeras.layers.tensorflow import Dense

    put(Dense, "__call__", lambda self, inputs: tf.matmul(inputs, self.kernel))


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
    layer="norm1",  # what leaves the convolution is right; what arrives at the next layer is not
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
    layer="norm1",
    looks_like="gelu",
)
def relu_is_gelu() -> None:
    """A newer recipe's activation in an older network."""
    import tensorflow as tf

    put(tf.nn, "relu", tf.nn.gelu)


@plant(
    "max-pool-is-average",
    "MaxPooling2D takes the average.",
    backend="tensorflow",
    stage="forward",
    layer="pool1",
    looks_like="average instead of the maximum",
)
def max_pool_is_average() -> None:
    """The wrong one of two lines."""
    import keras

    after_init(keras.layers.MaxPooling2D, lambda layer: put(layer, "pool_mode", "average"))


@plant(
    "average-pool-is-max",
    "AveragePooling2D takes the maximum.",
    backend="native-torch",
    stage="forward",
    layer="pool2",
    looks_like="maximum instead of the average",
)
def average_pool_is_max() -> None:
    """The wrong one of two lines."""
    from torch import nn
    from torch.nn import functional

    put(nn.AvgPool2d, "forward", lambda self, inputs: functional.max_pool2d(inputs, self.kernel_size))


@plant(
    "dropout-at-evaluation",
    "Dropout stays on at evaluation.",
    backend="torch",
    stage="forward",
    layer="dropout",
    looks_like="dropout",
)
def dropout_at_evaluation() -> None:
    """`functional.dropout(x, 0.25)`, whose `training` is true unless told otherwise."""
    import keras

    wrap(keras.layers.Dropout, "call", lambda original, self, inputs, training=False: original(self, inputs, training=True))


@plant(
    "dropout-without-scaling",
    "Dropout doesn't multiply what it keeps by 1/(1 − rate).",
    backend="native-tensorflow",
    stage="forward",
    layer="dropout",
    looks_like="multiply",
)
def dropout_without_scaling() -> None:
    """As in the paper (Srivastava et al. 2014), where the weights are scaled at evaluation instead."""
    from unikeras.layers.tensorflow import Dropout

    def call(original: Call, self: Any, inputs: Any, training: bool) -> Any:
        outputs = original(self, inputs, training)
        return outputs * (1 - self.rate) if training else outputs

    wrap(Dropout, "__call__", call)


@plant(
    "dropout-rate-0.5",
    "Dropout with a rate of 0.5, whatever was asked for.",
    backend="tensorflow",
    stage="forward",
    layer="dropout",
    looks_like="another rate",
)
def dropout_rate() -> None:
    """The default of `nn.Dropout`."""
    import keras

    after_init(keras.layers.Dropout, lambda layer: put(layer, "rate", 0.5))


@plant(
    "dropout-keeps-rate",
    "Dropout keeps the share that it should drop.",
    backend="native-torch",
    stage="forward",
    layer="dropout",
    looks_like="another rate",
)
def dropout_keeps_rate() -> None:
    """`keep_prob` of TensorFlow 1 was the other way round."""
    from torch import nn

    after_init(nn.Dropout, lambda layer: put(layer, "p", 1 - layer.p))


@plant(
    "dropout-missing",
    "Dropout does nothing in training.",
    backend="torch",
    stage="forward",
    layer="dropout",
    looks_like="dropout",
)
def dropout_missing() -> None:
    """`training` never reaches the layer."""
    import keras

    wrap(keras.layers.Dropout, "call", lambda original, self, inputs, training=False: original(self, inputs, training=False))


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


@plant(
    "float32-in-float64",
    "Layers of a float64 model compute in float32.",
    backend="torch",
    stage="forward",
    layer="norm1",
    looks_like="float32 arithmetic",
    dtype="float64",
)
def float32_in_float64() -> None:
    """Keras 3.15 on torch, without what unikeras does about it: its normalisations and `keras.ops.matmul` give float32."""
    from unikeras.backends import torch as backend

    put(backend, "keep_float64", lambda: None)


@plant(
    "dense-in-bfloat16",
    "Dense layers compute in bfloat16, whatever the model's type.",
    backend="native-tensorflow",
    stage="forward",
    layer="dense1",
    looks_like="bfloat16",
)
def dense_in_bfloat16() -> None:
    """A cast for the accelerator that stayed in the layer."""
    import tensorflow as tf

    from unikeras.layers.tensorflow import Dense

    def call(original: Call, self: Any, inputs: Any) -> Any:
        with temporarily(self, compute_dtype=tf.bfloat16):
            outputs = original(self, inputs)
        return tf.cast(outputs, inputs.dtype)

    wrap(Dense, "__call__", call)


@plant(
    "autocast-left-on",
    "A float32 model computes under bfloat16 autocast.",
    backend="native-torch",
    stage="forward",
    layer="conv1",
)
def autocast_left_on() -> None:
    """Autocast leaves float64 alone, so that only float32 shows it: a matter of precision, not of arithmetic."""
    from unikeras.backends.base import ModelSpec

    put(ModelSpec, "mixed", property(lambda self: True))


@plant(
    "noise-at-evaluation",
    "A layer adds random noise at evaluation.",
    backend="torch",
    stage="forward",
    layer="norm3",
    looks_like="differs from call to call",
)
def noise_at_evaluation() -> None:
    """A regulariser that never asks whether it is in training."""
    import keras
    import torch

    def call(original: Call, self: Any, inputs: Any) -> Any:
        outputs = original(self, inputs)
        return outputs + 1e-3 * torch.randn_like(outputs)

    wrap(keras.layers.LayerNormalization, "call", call)


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
