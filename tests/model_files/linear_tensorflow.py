import tensorflow as tf

from unikeras.layers.tensorflow import Conv2D, flatten


class Linear(tf.Module):
    def __init__(self, features: int, num_classes: int) -> None:
        super().__init__()
        self.conv = Conv2D(features, num_classes, 1)

    def __call__(self, inputs: tf.Tensor, training: bool) -> tf.Tensor:
        return flatten(self.conv(inputs))


def build(input_shape: tuple[int, ...], num_classes: int) -> tf.Module:
    return Linear(input_shape[-1], num_classes)
