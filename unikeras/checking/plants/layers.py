"""Faults in layers that convolve, pool, flatten or multiply."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from unikeras.checking.plants import plant
from unikeras.checking.plants.patching import after_init, put, temporarily, wrap

Call = Callable[..., Any]


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
