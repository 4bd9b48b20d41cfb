"""Steps on TensorFlow, for Keras models and for native ones: one tf.function each, with a free batch axis."""

from __future__ import annotations

import abc
import contextlib
import random
from collections.abc import Callable
from types import ModuleType
from typing import Any, SupportsFloat

import numpy as np
import tensorflow as tf

from unikeras import weights
from unikeras.backends import base
from unikeras.backends._tensorflow_graph import Graph
from unikeras.backends._tensorflow_optimizers import make_optimizer
from unikeras.backends._tensorflow_parts import Differentiated, Parts, differentiate_in_parts
from unikeras.weights import Weights

# Operations that keep their generator in the kernel, where nobody can read or set it: tf.nn.dropout, tf.random.uniform and so on.
UNREADABLE = {
    "Multinomial",
    "ParameterizedTruncatedNormal",
    "RandomGamma",
    "RandomPoissonV2",
    "RandomShuffle",
    "RandomStandardNormal",
    "RandomUniform",
    "RandomUniformInt",
    "TruncatedNormal",
}


def configure(spec: base.ModelSpec) -> None:
    """Sets what belongs to the process: threads, seeds of dropout, and float32 that means float32 (no TF32)."""
    if spec.threads:
        tf.config.threading.set_intra_op_parallelism_threads(spec.threads)
        tf.config.threading.set_inter_op_parallelism_threads(spec.threads)
    random.seed(spec.seed)
    tf.random.set_seed(spec.seed)
    tf.random.set_global_generator(tf.random.Generator.from_seed(spec.seed))
    tf.config.experimental.enable_tensor_float_32_execution(False)


class TensorFlowSteps(base.Backend):
    """Train, evaluate and predict on TensorFlow; a subclass brings the model and its update."""

    module: ModuleType

    def __init__(self, spec: base.ModelSpec) -> None:
        configure(spec)
        self.spec = spec
        self.device = "GPU:0" if tf.config.list_physical_devices("GPU") else "CPU:0"
        self.dtype = tf.as_dtype(spec.variable_dtype)
        self.sums = tf.Variable(tf.zeros(3, tf.float64), trainable=False)
        self.build_model()
        self.loss = self._choose_loss()
        self.trained = [self.tensor(name) for name in self.trainable_names()]
        self.optimizer = make_optimizer(spec.optimizer, self.trained)
        inputs, labels, rate = self._signature(None)
        self._train = Graph(self._train_graph, [inputs, labels, rate])
        self._parts = Parts(self)
        self._steps: dict[int, Graph] = {}  # by the batch's size
        self._gradients = Graph(self.differentiate, [inputs, labels])
        self._apply = tf.function(self._apply_graph)
        self._evaluate = Graph(self._evaluate_graph, [inputs, labels])
        self._predict = Graph(self.logits, [inputs])

    def _signature(self, size: int | None) -> list[tf.TensorSpec]:
        """Of a step: inputs, labels and learning rate."""
        inputs = tf.TensorSpec((size, *self.spec.input_shape), tf.as_dtype(self.spec.input_dtype))
        return [inputs, tf.TensorSpec((size,), tf.int64), tf.TensorSpec((), self.dtype)]

    @abc.abstractmethod
    def build_model(self) -> None:
        """Sets `module` and the model."""

    @abc.abstractmethod
    def forward(self, inputs: tf.Tensor, training: bool) -> tf.Tensor:
        """Logits of normalised inputs."""

    @abc.abstractmethod
    def penalty(self) -> Any:
        """What the model's layers add to the loss."""

    @abc.abstractmethod
    def tensor(self, name: str) -> tf.Variable:
        """The parameter of a canonical name."""

    def constrain(self) -> None:
        """Traced after each update: applies what the model demands of its parameters."""
        return  # AutoGraph removes the docstring, and an empty body is an error there

    @abc.abstractmethod
    def observed(self, observe: base.Observe) -> contextlib.AbstractContextManager[None]:
        """While it lasts, `observe` sees the layers at work."""

    def train_step(self, inputs: np.ndarray, labels: np.ndarray, learning_rate: float) -> SupportsFloat:
        loss: SupportsFloat = self._step_for(len(labels))(inputs, labels, learning_rate)
        return loss

    def _step_for(self, size: int) -> Graph:
        """The graph that takes a step on a batch of this size."""
        if size not in self._steps:
            count = self._parts.count(size)
            self._steps[size] = self._train if count == 1 else self._train_in_parts(size, count)
        return self._steps[size]

    def _train_in_parts(self, size: int, count: int) -> Graph:
        def step(inputs: tf.Tensor, labels: tf.Tensor, learning_rate: tf.Tensor) -> tf.Tensor:
            loss, logits, gradients = differentiate_in_parts(self.differentiate, count, inputs, labels)
            return self._update(loss, logits, gradients, labels, learning_rate)

        return Graph(step, self._signature(size))

    def evaluate_step(self, inputs: np.ndarray, labels: np.ndarray) -> None:
        self._evaluate(inputs, labels)

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        logits: np.ndarray = self._predict(inputs).numpy()
        return logits

    def gradients(self, inputs: np.ndarray, labels: np.ndarray) -> tuple[float, Weights]:
        loss, _, gradients = self._gradients(inputs, labels)
        arrays = [tf.convert_to_tensor(gradient).numpy() for gradient in gradients]
        return float(loss), dict(zip(self.trainable_names(), arrays, strict=True))

    def apply_gradients(self, gradients: Weights, learning_rate: float) -> None:
        tensors = [tf.constant(gradients[name], self.dtype) for name in self.trainable_names()]
        self._apply(tensors, tf.constant(learning_rate, self.dtype))

    def trace(self, inputs: np.ndarray, training: bool, observe: base.Observe) -> np.ndarray:
        with self.observed(observe):
            logits: np.ndarray = tf.cast(self.forward(self._normalized(tf.constant(inputs)), training), self.dtype).numpy()
        return logits

    def read_metrics(self) -> base.Metrics:
        loss_sum, correct, samples = self.sums.numpy().tolist()
        self.sums.assign(tf.zeros(3, tf.float64))
        return base.Metrics(loss_sum, int(correct), int(samples))

    def load_metrics(self, metrics: base.Metrics) -> None:
        self.sums.assign(tf.constant(metrics, tf.float64))

    def generators(self) -> dict[str, tf.Variable]:
        """State of the random generators that the model has, by a name for each."""
        return {"global": tf.random.get_global_generator().state}

    def random_state(self) -> Weights:
        return {**base.python_random_state(), **{name: state.numpy() for name, state in self.generators().items()}}

    def load_random_state(self, state: Weights) -> None:
        own = {name: array for name, array in state.items() if not name.startswith("python")}
        assign(self.generators(), own, "The random generators")
        base.load_python_random_state(state)

    def unsaved_randomness(self) -> list[str]:
        graph = self._train.concrete.graph.as_graph_def()
        nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
        return sorted({node.op for node in nodes if node.op in UNREADABLE})

    def optimizer_state(self) -> Weights:
        return {name: np.asarray(variable.numpy()) for name, variable in self._optimizer_variables().items()}

    def load_optimizer_state(self, state: Weights) -> None:
        assign(self._optimizer_variables(), state, "The optimiser's slots")

    def _optimizer_variables(self) -> dict[str, tf.Variable]:
        slots = {
            f"{slot}/{name}": variable
            for slot, variables in self.optimizer.slots.items()
            for name, variable in zip(self.trainable_names(), variables, strict=True)
        }
        return {**slots, "iterations": self.optimizer.iterations}

    def _train_graph(self, inputs: tf.Tensor, labels: tf.Tensor, learning_rate: tf.Tensor) -> tf.Tensor:
        loss, logits, gradients = self.differentiate(inputs, labels)
        return self._update(loss, logits, gradients, labels, learning_rate)

    def _update(
        self, loss: tf.Tensor, logits: tf.Tensor, gradients: list[tf.Tensor], labels: tf.Tensor, learning_rate: tf.Tensor
    ) -> tf.Tensor:
        self._apply_graph(gradients, learning_rate)
        self._add(loss, logits, labels)
        return loss

    def differentiate(self, inputs: tf.Tensor, labels: tf.Tensor) -> Differentiated:
        """Loss, logits and gradients of a batch."""
        with tf.GradientTape() as tape:
            logits = tf.cast(self.training_outputs(inputs), self.dtype)
            loss = self.loss(labels, logits) + self.penalty()
        return loss, logits, tape.gradient(loss, self.trained, unconnected_gradients=tf.UnconnectedGradients.ZERO)

    def training_outputs(self, inputs: tf.Tensor) -> tf.Tensor:
        """Of the model in training mode, from samples as they come in."""
        return self.forward(self._normalized(inputs), training=True)

    def _apply_graph(self, gradients: list[tf.Tensor], learning_rate: tf.Tensor) -> None:
        self.optimizer.step(gradients, learning_rate)
        self.constrain()

    def _evaluate_graph(self, inputs: tf.Tensor, labels: tf.Tensor) -> None:
        logits = self.logits(inputs)
        self._add(self.loss(labels, logits) + self.penalty(), logits, labels)

    def logits(self, inputs: tf.Tensor) -> tf.Tensor:
        """From samples as they come in: what `predict` computes."""
        return tf.cast(self.forward(self._normalized(inputs), training=False), self.dtype)

    def _normalized(self, inputs: tf.Tensor) -> tf.Tensor:
        """Samples cross to the device in their own type, which is a quarter of the bytes for uint8."""
        scaled = tf.cast(inputs, self.dtype) * tf.constant(self.spec.scale, self.dtype)
        return scaled + tf.constant(self.spec.offset, self.dtype) if self.spec.offset.any() else scaled

    def _choose_loss(self) -> Callable[[tf.Tensor, tf.Tensor], Any]:
        """Mean loss of (labels, logits): the model file's, or cross-entropy."""
        own = base.own_loss(self.module, self.spec)
        if own is not None:
            return lambda labels, logits: tf.reduce_mean(own(labels, logits))
        smoothing, classes = self.spec.label_smoothing, self.spec.num_classes

        def cross_entropy(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
            if not smoothing:
                return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
            share = tf.constant(smoothing / classes, self.dtype)
            targets = tf.one_hot(labels, classes, on_value=1 - smoothing, off_value=0.0, dtype=self.dtype) + share
            return tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(targets, logits))

        return cross_entropy

    def _add(self, loss: tf.Tensor, logits: tf.Tensor, labels: tf.Tensor) -> None:
        count = tf.cast(tf.shape(labels)[0], tf.float64)
        correct = tf.reduce_sum(tf.cast(tf.equal(tf.argmax(logits, axis=1), labels), tf.float64))
        self.sums.assign_add(tf.stack((tf.cast(loss, tf.float64) * count, correct, count)))


def assign(variables: dict[str, tf.Variable], received: Weights, what: str) -> None:
    """Gives the variables new values, all of them or, where names or shapes don't fit, none."""
    weights.require_match({name: tuple(variable.shape) for name, variable in variables.items()}, received, what)
    for name, variable in variables.items():
        variable.assign(tf.cast(received[name], variable.dtype))
