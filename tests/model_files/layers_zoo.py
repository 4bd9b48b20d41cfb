"""A subclassed model with a custom layer, dropout, an initialiser of its own, a regulariser and a nested model."""

import keras
from keras import layers


class Scale(layers.Layer):
    """A custom layer with a weight of its own."""

    def build(self, input_shape):
        self.scale = self.add_weight(shape=(input_shape[-1],), initializer="ones", name="scale")

    def call(self, inputs):
        return inputs * self.scale


class Encoder(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.conv = layers.Conv2D(8, 3, strides=2, padding="same", kernel_initializer="he_normal", name="conv")
        self.norm = layers.BatchNormalization(name="norm")
        self.scale = Scale(name="scale")

    def call(self, inputs, training=False):
        return keras.ops.relu(self.scale(self.norm(self.conv(inputs), training=training)))


class Zoo(keras.Model):
    def __init__(self, num_classes, **kwargs):
        super().__init__(**kwargs)
        self.encoder = Encoder(name="encoder")
        self.pool = layers.GlobalAveragePooling2D()
        self.dropout = layers.Dropout(0.1)
        self.head = layers.Dense(num_classes, kernel_regularizer=keras.regularizers.L2(1e-3), name="head")

    def call(self, inputs, training=False):
        return self.head(self.dropout(self.pool(self.encoder(inputs, training=training)), training=training))


def build(input_shape, num_classes):
    return Zoo(num_classes, name="zoo")
