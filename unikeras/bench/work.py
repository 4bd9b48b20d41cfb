"""What a layer has to compute and to move in a training step, at least: counted from its shapes, without a framework."""

from __future__ import annotations

import dataclasses
import math


@dataclasses.dataclass(frozen=True)
class Product:
    """The multiply-adds of a layer; equal ones take equally long.

    Attributes:
        kind: dense, conv2d or depthwise.
        inputs: Shape of one sample, channels last.
        outputs: As `inputs`.
        kernel: Shape in Keras' layout.
        padding: valid or same.
        by_inputs: Whether the step needs the gradient by the inputs: not where only data come before.
        by_kernel: Whether it needs the gradient by the kernel: not in a frozen layer.
    """

    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    kernel: tuple[int, ...]
    strides: tuple[int, ...] = (1, 1)
    dilation: tuple[int, ...] = (1, 1)
    padding: str = "valid"
    by_inputs: bool = True
    by_kernel: bool = True

    @property
    def flop(self) -> int:
        """Of one sample: two for each multiply-add, in the forward pass and once more for each gradient."""
        positions = math.prod(self.outputs[:-1])
        return 2 * positions * math.prod(self.kernel) * (1 + self.by_inputs + self.by_kernel)


@dataclasses.dataclass(frozen=True)
class Layer:
    """A layer's share of a step.

    Attributes:
        name: Canonical path.
        kind: That of its product, pooling or normalization.
        activations: Numbers that it reads and writes for each sample.
        parameters: Numbers that it reads and writes once a step, without the optimiser's.
        product: None where it has no multiply-adds that count.
    """

    name: str
    kind: str
    activations: int
    parameters: int = 0
    product: Product | None = None

    def flop(self, batch_size: int) -> int:
        """Of a step."""
        return batch_size * self.product.flop if self.product else 0

    def bytes(self, batch_size: int, number_bytes: int) -> int:
        """Of a step, each number having so many."""
        return number_bytes * (batch_size * self.activations + self.parameters)


@dataclasses.dataclass
class Network:
    """A model's work in a training step.

    Attributes:
        layers: In the order of the forward pass; a layer that is called twice is there twice.
        unknown: Layers that can't be counted: path and type.
        parameters: That are trained.
    """

    layers: list[Layer]
    unknown: list[str]
    parameters: int


def product_layer(name: str, product: Product) -> Layer:
    """Forward it reads inputs and kernel and writes outputs; backward it reads their gradient and what each product needs."""
    inputs, outputs, kernel = (math.prod(shape) for shape in (product.inputs, product.outputs, product.kernel))
    backward = product.by_inputs or product.by_kernel
    activations = inputs * (1 + product.by_kernel + product.by_inputs) + outputs * (1 + backward)
    return Layer(name, product.kind, activations, kernel * (1 + product.by_inputs + product.by_kernel), product)


def pooling_layer(name: str, inputs: tuple[int, ...], outputs: tuple[int, ...], by_inputs: bool) -> Layer:
    """It reads its inputs and writes its outputs, and backward the other way round."""
    return Layer(name, "pooling", (math.prod(inputs) + math.prod(outputs)) * (1 + by_inputs))


def normalization_layer(name: str, inputs: tuple[int, ...], by_inputs: bool) -> Layer:
    """Forward it reads and writes; backward it reads its inputs and a gradient, and writes another."""
    return Layer(name, "normalization", math.prod(inputs) * (4 + by_inputs))


def update_bytes(parameters: int, slots: int, number_bytes: int) -> int:
    """Of the optimiser's pass: a parameter is read and written, its gradient is read, its slots are read and written."""
    return parameters * (3 + 2 * slots) * number_bytes
