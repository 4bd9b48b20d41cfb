"""The layers of a Keras model as work that can be counted: found by watching them at work on one sample.

What is counted: products, pooling and normalisation. What counts as nothing: activations, sums, dropout, reshaping, and
operations that are no layers, for a library can do them on the way while a neighbouring layer reads or writes. All other layers
are named.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers

from unikeras.backends import _observe
from unikeras.bench.work import Network, Product, normalization_layer, pooling_layer, product_layer

POOLINGS = tuple(
    getattr(layers, f"{prefix}{kind}Pooling{rank}D")
    for prefix in ("", "Global")
    for kind in ("Max", "Average")
    for rank in (1, 2, 3)
)
NORMALIZATIONS = (layers.BatchNormalization, layers.LayerNormalization, layers.GroupNormalization)
ON_THE_WAY = (
    *(layers.InputLayer, layers.Identity, layers.Flatten, layers.Reshape, layers.Permute, layers.Rescaling, layers.Normalization),
    *(layers.Activation, layers.ReLU, layers.LeakyReLU, layers.PReLU, layers.ELU, layers.Softmax),
    *(layers.Add, layers.Subtract, layers.Multiply, layers.Average, layers.Maximum, layers.Minimum, layers.Concatenate),
    *(layers.Dropout, layers.SpatialDropout1D, layers.SpatialDropout2D, layers.SpatialDropout3D, layers.GaussianNoise),
    *(layers.ZeroPadding1D, layers.ZeroPadding2D, layers.ZeroPadding3D, layers.Cropping2D, layers.UpSampling2D),
)


def describe(model: Any, input_shape: tuple[int, ...]) -> Network:
    """Calls the model on one sample of zeros and counts what its layers do."""
    parameters = sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)
    watch = _Watch(_observe.layer_paths(model), Network([], [], parameters))
    original = layers.Layer.__call__

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        return watch.see(layer, (args, kwargs), lambda: original(layer, *args, **kwargs))

    layers.Layer.__call__ = call
    try:
        model(np.zeros((1, *input_shape), keras.config.floatx()))
    finally:
        layers.Layer.__call__ = original
    return watch.network


class _Watch:
    """Sees each layer's call, from outside inwards.

    Attributes:
        data: Tensors that depend on no parameter, by their id: no gradient by them is needed.
        calls: Layers seen so far.
        trained: Whether a layer with parameters that are trained has computed something: before that, all tensors are data.
    """

    def __init__(self, paths: dict[int, str], network: Network) -> None:
        self.paths, self.network = paths, network
        self.data: dict[int, Any] = {}
        self.calls, self.trained = 0, False

    def see(self, layer: Any, arguments: Any, run: Callable[[], Any]) -> Any:
        path = self.paths.get(id(layer))
        if path is None:
            return run()
        self.calls += 1
        calls, inputs, trains = self.calls, _tensors(arguments), bool(layer.trainable_weights)
        by_inputs = self.trained and not all(id(tensor) in self.data for tensor in inputs)
        if not by_inputs:
            self.data |= {id(tensor): tensor for tensor in inputs}
        result = run()
        outputs = _tensors(result)
        if not by_inputs and not trains:
            self.data |= {id(tensor): tensor for tensor in outputs}
        self.trained |= trains
        if inputs and outputs:
            self._count(path, layer, _shape(inputs[0]), _shape(outputs[0]), by_inputs, is_leaf=self.calls == calls)
        return result

    def _count(
        self, path: str, layer: Any, inputs: tuple[int, ...], outputs: tuple[int, ...], by_inputs: bool, is_leaf: bool
    ) -> None:
        """Only the exact classes are known: a user's subclass may compute something else."""
        found, kind = self.network.layers, type(layer)
        products = _products(layer, inputs, outputs, by_inputs)
        if products:
            found += [product_layer(path, product) for product in products]
        elif kind in POOLINGS:
            found.append(pooling_layer(path, inputs, outputs, by_inputs))
        elif kind in NORMALIZATIONS:
            found.append(normalization_layer(path, inputs, by_inputs))
        elif kind not in ON_THE_WAY and (is_leaf or layer._trainable_variables):
            name = f"{path} ({kind.__name__})"
            self.network.unknown += [name] if name not in self.network.unknown else []


def _products(layer: Any, inputs: tuple[int, ...], outputs: tuple[int, ...], by_inputs: bool) -> list[Product]:
    """A layer's products; none where it is no such layer."""
    kind, trains = type(layer), bool(layer.trainable_weights)
    if kind is layers.Dense:
        return [Product("dense", inputs, outputs, tuple(layer.kernel.shape), by_inputs=by_inputs, by_kernel=trains)]
    if kind not in (layers.Conv2D, layers.DepthwiseConv2D, layers.SeparableConv2D) or layer.data_format != "channels_last":
        return []
    window = {"strides": tuple(layer.strides), "dilation": tuple(layer.dilation_rate), "padding": layer.padding}
    if kind is not layers.SeparableConv2D:
        name = "conv2d" if kind is layers.Conv2D else "depthwise"
        return [Product(name, inputs, outputs, tuple(layer.kernel.shape), **window, by_inputs=by_inputs, by_kernel=trains)]
    depthwise, pointwise = tuple(layer.depthwise_kernel.shape), tuple(layer.pointwise_kernel.shape)
    between = (*outputs[:-1], pointwise[2])
    return [
        Product("depthwise", inputs, between, depthwise, **window, by_inputs=by_inputs, by_kernel=trains),
        Product("conv2d", between, outputs, pointwise, by_inputs=by_inputs or trains, by_kernel=trains),
    ]


def _tensors(values: Any) -> list[Any]:
    return [value for value in keras.tree.flatten(values) if keras.ops.is_tensor(value)]


def _shape(tensor: Any) -> tuple[int, ...]:
    """Of one sample."""
    return tuple(int(size) for size in tensor.shape[1:])
