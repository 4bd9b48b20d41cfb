"""The training loop that one writes by hand in TensorFlow, in the best of its usual forms.

One `tf.function` for the step, with TensorFlow's fused Adam kernel; fed by NumPy gather or by tf.data; with XLA or without. Each
combination is tried for a moment with the model and batch at hand, and the fastest one races. Loss and correct answers are
summed up on the device, which is what unikeras reports, too.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from unikeras import backends
from unikeras.bench.choosing import fastest
from unikeras.bench.contender import Contender
from unikeras.bench.turns import StepCounter
from unikeras.bench.workload import Workload
from unikeras.data.dataset import Split
from unikeras.errors import BackendError
from unikeras.events import Emit
from unikeras.training import evaluation_batch_size

TRIALS = 15
BETA_1, BETA_2 = 0.9, 0.999


class Form(NamedTuple):
    """How the loop is written."""

    data: str
    xla: bool

    def __str__(self) -> str:
        return f"{self.data}, {'XLA' if self.xla else 'no XLA'}"


FORMS = [Form(*parts) for parts in itertools.product(("NumPy gather", "tf.data"), (False, True))]


class HandTensorFlow(Contender):
    """A loop in TensorFlow."""

    def __init__(self, workload: Workload, emit: Emit) -> None:
        spec = workload.spec
        if spec.optimizer.name != "adam" or spec.optimizer.clip_norm or spec.optimizer.weight_decay:
            raise BackendError("The hand-written loop in TensorFlow has Adam, without clipping.", cure="Leave out `hand`.")
        self.workload = workload
        # The model file's tf.Module with the initial weights; nothing else of the backend is used.
        network: Any = backends.load("native-tensorflow")(spec)
        self.network = network
        self.dtype = tf.as_dtype(spec.variable_dtype)
        self.parameters = [network.tensor(name) for name in network.trainable_names()]
        self.initial = self.network.weights()
        self.images, self.labels = workload.data.train.x, workload.data.train.y
        self.totals = tf.Variable(tf.zeros(2))
        form = fastest(FORMS, self._trial, TRIALS)
        self._begin(form)
        self.variant = str(form)

    def step(self, inputs: Any, labels: Any) -> float:
        return float(self.take_step(tf.constant(inputs), tf.constant(labels)))

    def evaluate(self, split: Split) -> float:
        size = evaluation_batch_size(self.workload.batch_size)
        self.totals.assign(tf.zeros(2))
        for start in range(0, len(split.y), size):
            self.take_look(tf.constant(split.x[start : start + size]), tf.constant(split.y[start : start + size]))
        return float(self.totals.numpy()[1]) / len(split.y)

    def wait(self) -> None:
        self.totals.numpy()

    def train(self, turns: StepCounter) -> None:
        while True:
            for images, labels in self._batches(self.form):
                self.take_step(images, labels)
                turns.step_done(len(labels))

    def _batches(self, form: Form) -> Iterator[tuple[Any, Any]]:
        """An epoch in random order."""
        if form.data == "tf.data":
            data = tf.data.Dataset.from_tensor_slices((self.images, self.labels)).shuffle(len(self.labels))
            yield from data.batch(self.workload.batch_size).prefetch(tf.data.AUTOTUNE)
            return
        order = np.random.permutation(len(self.labels))
        for start in range(0, len(order), self.workload.batch_size):
            indices = order[start : start + self.workload.batch_size]
            yield self.images[indices], self.labels[indices]

    def _begin(self, form: Form) -> None:
        """Anew: with the initial weights and empty slots."""
        self.form = form
        self.network.load_weights(self.initial)
        self.slots = [(tf.Variable(tf.zeros_like(p)), tf.Variable(tf.zeros_like(p))) for p in self.parameters]
        self.powers = [tf.Variable(beta, dtype=self.dtype) for beta in (BETA_1, BETA_2)]
        inputs = tf.TensorSpec((None, *self.workload.spec.input_shape), self.images.dtype)
        signature = [inputs, tf.TensorSpec((None,), tf.int64)]
        self.differentiate = tf.function(self._differentiate, input_signature=signature, jit_compile=form.xla)
        self.take_step = tf.function(self._step, input_signature=signature)
        self.take_look = tf.function(self._look, input_signature=signature)

    def _step(self, images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        loss, correct, gradients = self.differentiate(images, labels)
        rate, epsilon = self.workload.settings.learning_rate, self.workload.spec.optimizer.rule.constants["epsilon"]
        for parameter, (m, v), gradient in zip(self.parameters, self.slots, gradients, strict=True):
            tf.raw_ops.ResourceApplyAdam(
                var=parameter.handle,
                m=m.handle,
                v=v.handle,
                beta1_power=self.powers[0],
                beta2_power=self.powers[1],
                lr=tf.cast(rate, self.dtype),
                beta1=tf.cast(BETA_1, self.dtype),
                beta2=tf.cast(BETA_2, self.dtype),
                epsilon=tf.cast(epsilon, self.dtype),
                grad=gradient,
            )
        for power, beta in zip(self.powers, (BETA_1, BETA_2), strict=True):
            power.assign(power * beta)
        self.totals.assign_add(tf.stack([tf.cast(loss, tf.float32) * tf.cast(tf.shape(labels)[0], tf.float32), correct]))
        return loss

    def _differentiate(self, images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, list[tf.Tensor]]:
        with tf.GradientTape() as tape:
            logits = self._logits(images, training=True)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
        return loss, self._correct(logits, labels), tape.gradient(loss, self.parameters)

    def _look(self, images: tf.Tensor, labels: tf.Tensor) -> None:
        logits = self._logits(images, training=False)
        loss = tf.reduce_sum(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
        self.totals.assign_add(tf.stack([tf.cast(loss, tf.float32), self._correct(logits, labels)]))

    def _logits(self, images: tf.Tensor, training: bool) -> tf.Tensor:
        scaled = tf.cast(images, self.dtype) * tf.constant(self.workload.spec.scale, self.dtype)
        shifted = scaled + tf.constant(self.workload.spec.offset, self.dtype) if self.workload.spec.offset.any() else scaled
        return tf.cast(self.network.forward(shifted, training), self.dtype)

    def _correct(self, logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(tf.cast(tf.argmax(logits, 1) == labels, tf.float32))

    def _trial(self, form: Form) -> Callable[[], object]:
        self._begin(form)
        batches = itertools.chain.from_iterable(self._batches(form) for _ in itertools.repeat(None))
        return lambda: float(self.take_step(*next(batches)))


def load(_backend: str) -> type[Contender]:
    """The contender; TensorFlow is imported with this module."""
    return HandTensorFlow
