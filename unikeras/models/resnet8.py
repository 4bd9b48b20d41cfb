"""ResNet-8 as in MLPerf Tiny: three residual blocks (16, 32, 64) with BatchNorm, strided same convolutions, global pooling.

Convolutions have no bias, for the normalisation after them takes it out again.
"""

from typing import Any

import keras
from keras import layers


@keras.saving.register_keras_serializable("unikeras")
class Block(layers.Layer):
    """Two 3×3 convolutions beside a shortcut, which is a 1×1 convolution where shape or stride change."""

    def __init__(self, filters: int, stride: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.filters, self.stride = filters, stride
        self.conv1 = layers.Conv2D(filters, 3, stride, padding="same", use_bias=False, name="conv1")
        self.norm1 = layers.BatchNormalization(name="norm1")
        self.conv2 = layers.Conv2D(filters, 3, padding="same", use_bias=False, name="conv2")
        self.norm2 = layers.BatchNormalization(name="norm2")
        self.shortcut = layers.Conv2D(filters, 1, stride, padding="same", use_bias=False, name="shortcut") if stride > 1 else None

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.conv1.build(input_shape)
        inner = self.conv1.compute_output_shape(input_shape)
        for layer in (self.norm1, self.conv2, self.norm2):
            layer.build(inner)
        if self.shortcut is not None:
            self.shortcut.build(input_shape)

    def call(self, inputs: Any, training: bool = False) -> Any:
        x = keras.ops.relu(self.norm1(self.conv1(inputs), training=training))
        x = self.norm2(self.conv2(x), training=training)
        return keras.ops.relu(x + (inputs if self.shortcut is None else self.shortcut(inputs)))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "filters": self.filters, "stride": self.stride}


def build(input_shape: tuple[int, ...], num_classes: int) -> keras.Model:
    inputs = keras.Input(input_shape)
    x = layers.Conv2D(16, 3, padding="same", use_bias=False, name="conv")(inputs)
    x = layers.ReLU(name="relu")(layers.BatchNormalization(name="norm")(x))
    x = Block(16, 1, name="block1")(x)
    x = Block(32, 2, name="block2")(x)
    x = Block(64, 2, name="block3")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(inputs, layers.Dense(num_classes, name="dense")(x), name="resnet8")
