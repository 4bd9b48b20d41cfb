"""A large batch in parts, one gradient for each: their weighted mean is the gradient of the whole batch, up to rounding.

What a part leaves behind for its gradient stays in the processor's cache, where a whole batch's goes to memory and back, and the
parts' operations run side by side: on two cores a step of `cnn` on 256 images takes a fifth less time. It holds for models that
look at each sample alone. Whether one does is not taken on trust: a graph that writes or draws anything is run whole, as those
with BatchNorm or dropout are, and so is a model whose gradient of a made-up batch is not the mean of its halves'.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from unikeras.backends import base
from unikeras.weights import Weights

# Of a part, at most: the outputs of all operations of the forward pass, of which a good half is fused away.
# `benchmarks/fast_paths.py` measures what it is worth. Two parts gain nothing yet.
PART_BYTES = 18 * 2**20
LEAST_PARTS, MOST_PARTS = 3, 16  # each takes its time to be traced
LARGEST = 4 * PART_BYTES  # of a part, where there are as many as may be: what is larger finds no room in a cache
LEAST_SAMPLES = 4  # of a part, and of the made-up ones
# Largest ‖a − b‖ ÷ ‖a‖ of loss and gradients: a rounding can put a rectifier on its other side; what couples samples does more.
TOLERANCES = {"float64": 1e-9, "float32": 0.02, "mixed_bfloat16": 0.2}

Differentiated = tuple[tf.Tensor, tf.Tensor, list[tf.Tensor]]  # loss, logits and gradients
Differentiate = Callable[[tf.Tensor, tf.Tensor], Differentiated]  # of inputs and labels


class Model(Protocol):
    """What of a backend is needed here."""

    spec: base.ModelSpec

    def differentiate(self, inputs: tf.Tensor, labels: tf.Tensor) -> Differentiated: ...
    def training_outputs(self, inputs: tf.Tensor) -> tf.Tensor: ...
    def weights(self) -> Weights: ...
    def load_weights(self, received: Weights) -> None: ...


class Parts:
    """Into how many parts batches of a model are taken: 1 where it can't be, or need not.

    The same on every machine, and whatever the weights are, so that a continued training goes on as the unbroken one.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self._bytes: tuple[int, int] | None = None  # of a sample's activations, and of the gradients of a part
        self._separable: bool | None = None

    def count(self, batch_size: int) -> int:
        """Of a batch."""
        if tf.config.list_physical_devices("GPU"):
            return 1
        if self._bytes is None:
            self._bytes = self._measure()
        activations, gradients = self._bytes[0] * batch_size, self._bytes[1]
        count = min(-(-activations // PART_BYTES), MOST_PARTS)
        is_between = count >= LEAST_PARTS and activations <= count * LARGEST and batch_size >= LEAST_SAMPLES * count
        # The gradients of all parts are kept until they are averaged.
        is_worth_it = is_between and 4 * count * gradients <= activations
        if is_worth_it and self._separable is None:
            self._separable = self._try()
        return count if is_worth_it and self._separable else 1

    def _measure(self) -> tuple[int, int]:
        graph = self._forward_graph()
        return sample_bytes(graph) if is_pure(graph) else 0, sum(value.nbytes for value in self.model.weights().values())

    def _try(self) -> bool:
        try:
            return is_separable(self.model)
        except Exception as error:  # noqa: BLE001 - whatever a user's layer raises at made-up values, the model itself still runs
            reason = " ".join(str(error).split())[:300]
            print(f"unikeras: large batches are not taken in parts ({type(error).__name__}: {reason})")
            return False

    def _forward_graph(self) -> tf.Graph:
        spec = self.model.spec
        inputs = tf.TensorSpec((None, *spec.input_shape), tf.as_dtype(spec.input_dtype))
        return tf.function(self.model.training_outputs, input_signature=[inputs]).get_concrete_function().graph


def differentiate_in_parts(differentiate: Differentiate, count: int, inputs: tf.Tensor, labels: tf.Tensor) -> Differentiated:
    """As `differentiate`, of a batch whose size is known."""
    size = labels.shape[0]
    sizes = [size // count + (part < size % count) for part in range(count)]
    found = [differentiate(*part) for part in zip(tf.split(inputs, sizes), tf.split(labels, sizes), strict=True)]
    losses, logits, gradients = zip(*found, strict=True)
    shares = [part / size for part in sizes]
    return _mean(losses, shares), tf.concat(logits, 0), [_mean(parts, shares) for parts in zip(*gradients, strict=True)]


def _mean(tensors: Any, shares: list[float]) -> tf.Tensor:
    return tf.add_n([tf.convert_to_tensor(tensor) * share for tensor, share in zip(tensors, shares, strict=True)])


def is_pure(graph: tf.Graph) -> bool:
    """Whether a forward pass only reads: it writes no variable, draws no number, calls no Python."""
    return all(operation.type == "ReadVariableOp" or not operation.op_def.is_stateful for operation in graph.get_operations())


def sample_bytes(graph: tf.Graph) -> int:
    """Size of all that a forward pass computes for a sample."""
    outputs = [tensor for operation in graph.get_operations() for tensor in operation.outputs if tensor.dtype.is_floating]
    shapes = [(tensor.shape, tensor.dtype.size) for tensor in outputs if tensor.shape.rank and tensor.shape[0] is None]
    return sum(shape[1:].num_elements() * size for shape, size in shapes if shape[1:].is_fully_defined())


def is_separable(model: Model) -> bool:
    """Whether the gradient of a made-up batch is the mean of its halves', with made-up weights."""
    weights, state = model.weights(), base.python_random_state()
    rng = np.random.default_rng(0)
    try:
        model.load_weights({name: _made_up(rng, value) for name, value in weights.items()})
        inputs = _made_up_inputs(rng, (2 * LEAST_SAMPLES, *model.spec.input_shape), np.dtype(model.spec.input_dtype))
        labels = tf.constant(rng.integers(0, model.spec.num_classes, 2 * LEAST_SAMPLES))
        whole = model.differentiate(inputs, labels)
        halves = differentiate_in_parts(model.differentiate, 2, inputs, labels)
    finally:
        model.load_weights(weights)
        base.load_python_random_state(state)
    pairs = list(zip(*(map(_array, (loss, *gradients)) for loss, _, gradients in (whole, halves)), strict=True))
    # A bias before a normalisation has no gradient but rounding: each is measured by the usual size of a gradient, too.
    usual = median(_norm(gradient) for gradient, _ in pairs[1:])
    return all(_norm(a - b) <= TOLERANCES[model.spec.dtype] * max(_norm(a), usual) for a, b in pairs)


def _made_up_inputs(rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype[Any]) -> tf.Tensor:
    """Bytes are pixels; other whole numbers may be numbers of words, of which there are two at least."""
    if dtype.kind not in "iu":
        return tf.constant(rng.uniform(0, 1, shape), dtype)
    return tf.constant(rng.integers(0, 256 if dtype == np.uint8 else 2, shape), dtype)


def _made_up(rng: np.random.Generator, value: np.ndarray) -> np.ndarray:
    if value.ndim < 2:  # scales, offsets and variances
        return rng.uniform(0.5, 1.5, value.shape).astype(value.dtype)
    kernel: np.ndarray = rng.standard_normal(value.shape) * np.sqrt(2 / np.prod(value.shape[:-1]))
    return kernel.astype(value.dtype)


def _array(tensor: Any) -> np.ndarray:
    return np.asarray(tf.convert_to_tensor(tensor), np.float64)


def _norm(array: np.ndarray) -> float:
    return float(np.linalg.norm(array))
