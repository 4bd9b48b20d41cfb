"""A training step with two graphs: the plain one, and one in which the gradients of poolings are compiled.

Compiling takes about a second for each batch size and saves about a fifth of every step from then on. So the plain graph takes
all steps until it has trained for some seconds: by then a run is likely to be long enough, and one that ends right after has lost
no more than it could have saved. Both give the same numbers to the bit, so that it does not matter when a run changes over.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from unikeras.layers import tensorflow_pool

PAYS_AFTER = 5.0  # seconds of training


class CompiledLater:
    """A step that is compiled once that is likely to pay back: on a CPU, for models that pool.

    Args:
        step: Takes inputs, labels and the learning rate.
        signature: Of its tensors.
    """

    def __init__(self, step: Callable[..., tf.Tensor], signature: list[tf.TensorSpec]) -> None:
        def compiled(*arguments: tf.Tensor) -> tf.Tensor:
            with tensorflow_pool.compiled_gradients():
                return step(*arguments)

        self.plain = tf.function(step, input_signature=signature)
        self.compiled = tf.function(compiled, input_signature=signature)
        self.seconds = 0.0
        self.batch_size = 0  # the one to compile for: an epoch's last batch may be smaller
        self.is_worth_it: bool | None = None  # known when it is time

    def __call__(self, inputs: Any, labels: Any, learning_rate: float) -> tf.Tensor:
        self.batch_size = max(self.batch_size, len(labels))
        if self.seconds >= PAYS_AFTER and len(labels) == self.batch_size:
            if self.is_worth_it is None:
                self.is_worth_it = self._pools() and _can_compile()
            if self.is_worth_it:
                return self.compiled(inputs, labels, learning_rate)
        started = time.perf_counter()
        loss = self.plain(inputs, labels, learning_rate)
        self.seconds += time.perf_counter() - started
        return loss

    def _pools(self) -> bool:
        graph = self.plain.get_concrete_function().graph
        return any(operation.type == "MaxPoolGrad" for operation in graph.get_operations())


def _can_compile() -> bool:
    if tf.config.list_physical_devices("GPU"):
        return False  # its own kernel is fast
    try:
        tensorflow_pool.spread(tf.ones((1, 1, 1, 1)), tf.zeros((1, 2, 2, 1)), tf.zeros((1, 1, 1, 1)), size=2)
    except Exception as error:  # noqa: BLE001 - a TensorFlow without XLA, or with another one: training goes on as it is
        print(f"The gradients of poolings can't be compiled here: {error}", file=sys.stderr)
        return False
    return True
