"""Stock Keras: `compile` and `fit` on arrays in memory, nothing of it changed, in an environment as it is found."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any

import keras

from unikeras.backends import _keras
from unikeras.bench.choosing import fastest
from unikeras.bench.contender import Contender
from unikeras.bench.turns import StepCounter
from unikeras.bench.workload import Workload
from unikeras.data.dataset import Split
from unikeras.events import Emit
from unikeras.optimizers import OptimizerSpec
from unikeras.training import evaluation_batch_size

# Arguments of `compile` to choose from. On TensorFlow Keras' own choice is XLA wherever it can. On torch `jit_compile` is
# torch.compile, which Keras leaves alone unless told, and which was no faster after a minute of compiling.
CHOICES: dict[str, list[dict[str, Any]]] = {
    "tensorflow": [{}, {"jit_compile": False}, {"jit_compile": False, "steps_per_execution": 8}],
    "torch": [{}],
}
TRIAL_STEPS, TRIALS = 8, 5


class KerasFit(Contender):
    """A Keras model in `fit`."""

    def __init__(self, workload: Workload, emit: Emit) -> None:
        self.workload = workload
        framework = keras.backend.backend()
        importlib.import_module(f"unikeras.backends._{framework}").configure(workload.spec)  # threads
        _, self.model, _ = _keras.build_model(workload.spec)
        self.initial = self.model.get_weights()
        self.inputs, self.labels = workload.normalized(workload.data.train), workload.data.train.y
        steps = len(self.labels) // workload.batch_size
        choices = [choice for choice in CHOICES[framework] if steps % choice.get("steps_per_execution", 1) == 0]
        choice = fastest(choices, self._trial, TRIALS)
        self._compile(choice)
        self.steps_per_call = choice.get("steps_per_execution", 1)
        self.variant = ", ".join(f"{name}={value}" for name, value in choice.items())

    def step(self, inputs: Any, labels: Any) -> float:
        spec = self.workload.spec
        scaled = inputs * spec.scale.astype(self.inputs.dtype) + spec.offset.astype(self.inputs.dtype)
        self.model.reset_metrics()  # the loss it returns is a mean since then
        return float(self.model.train_on_batch(scaled, labels)[0])

    def evaluate(self, split: Split) -> float:
        inputs = self.inputs if split is self.workload.data.train else self.test_inputs
        return float(self.model.evaluate(inputs, split.y, evaluation_batch_size(self.workload.batch_size), verbose=0)[1])

    @functools.cached_property
    def test_inputs(self) -> Any:
        """As `inputs`, of the test samples; most races need none."""
        return self.workload.normalized(self.workload.data.test)

    def wait(self) -> None:
        float(self.logs["loss"])

    def train(self, turns: StepCounter) -> None:
        self.model.make_train_function(force=True)
        take_step = self.model.train_function

        def counted(data: Any) -> Any:
            self.logs = take_step(data)
            turns.step_done(self.steps_per_call * self.workload.batch_size, self.steps_per_call)
            return self.logs

        self.model.train_function = counted  # `fit` sees no difference, and no callback costs it time
        self.model.fit(self.inputs, self.labels, self.workload.batch_size, epochs=1_000_000, verbose=0)

    def _compile(self, choice: dict[str, Any]) -> None:
        """Anew: with the initial weights and empty slots."""
        self.model.set_weights(self.initial)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        optimizer = make_optimizer(self.workload.spec.optimizer, self.workload.settings.learning_rate)
        self.model.compile(optimizer, loss, metrics=["accuracy"], **choice)

    def _trial(self, choice: dict[str, Any]) -> Callable[[], object]:
        self._compile(choice)
        count = TRIAL_STEPS * self.workload.batch_size
        inputs, labels = self.inputs[:count], self.labels[:count]
        return lambda: self.model.fit(inputs, labels, self.workload.batch_size, verbose=0)


def make_optimizer(spec: OptimizerSpec, learning_rate: float) -> Any:
    """Keras' optimiser with the constants of a spec."""
    options = {"learning_rate": learning_rate, "weight_decay": spec.weight_decay or None, "global_clipnorm": spec.clip_norm}
    classes = {"sgd": keras.optimizers.SGD, "adam": keras.optimizers.Adam, "rmsprop": keras.optimizers.RMSprop}
    return classes[spec.rule.family](**options, **spec.rule.constants)


def load(_backend: str) -> type[Contender]:
    """The contender; Keras is imported with this module, on the backend that the environment names."""
    return KerasFit
