"""TensorFlow alone: a tf.Module, GradientTape, one graph for step and update. Its layouts are the canonical ones already."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from typing import Any

if "keras" not in sys.modules:
    # TensorFlow imports Keras at its end, if it can. Here it can't, which saves Keras' time and memory.
    sys.modules["keras"] = None  # type: ignore[assignment] # None there makes an import fail
    importlib.import_module("tensorflow")
    del sys.modules["keras"]
import tensorflow as tf

from unikeras import model_files, weights
from unikeras.backends import base
from unikeras.backends._tensorflow import TensorFlowSteps, assign
from unikeras.errors import ModelError
from unikeras.layers.tensorflow import dtypes
from unikeras.weights import Weights


class Backend(TensorFlowSteps):
    """A tf.Module of the model file beside the Keras one."""

    name = "native-tensorflow"

    def build_model(self) -> None:
        self.module = model_files.load(self.spec.model_file)
        with dtypes(tf.bfloat16 if self.spec.mixed else self.dtype, self.dtype):
            self.model = model_files.build(self.module, self.spec.input_shape, self.spec.num_classes)
        if not isinstance(self.model, tf.Module):
            returned = type(self.model).__name__
            raise ModelError(
                f"build in {self.spec.model_file} returned an object of type {returned}.", cure="Return a tf.Module."
            )
        self._check_outputs()
        self.variables = canonical_variables(self.model)
        initializers: dict[str, str] = getattr(self.module, "initializers", {})
        self.load_weights(
            {
                name: weights.initial_value(self.spec.seed, name, tuple(variable.shape), initializers.get(name))
                for name, variable in self.variables.items()
            }
        )

    def forward(self, inputs: tf.Tensor, training: bool) -> tf.Tensor:
        return self.model(inputs, training=training)

    def penalty(self) -> Any:
        return 0.0

    def tensor(self, name: str) -> tf.Variable:
        return self.variables[name]

    def weights(self) -> Weights:
        return {name: variable.numpy() for name, variable in self.variables.items()}

    def load_weights(self, received: Weights) -> None:
        assign(self.variables, received, "The weights")

    def trainable_names(self) -> list[str]:
        return [name for name, variable in self.variables.items() if variable.trainable]

    def generators(self) -> dict[str, tf.Variable]:
        found = {"/".join(path): generator.state for path, generator in _walk(self.model, (), tf.random.Generator)}
        return {**super().generators(), **found}

    def _check_outputs(self) -> None:
        sample = tf.zeros((2, *self.spec.input_shape), self.dtype)
        outputs = model_files.run_user_code(
            self.spec.model_file, "failed on its first batch", lambda: self.forward(sample, training=False)
        )
        base.require_logits(tuple(outputs.shape), self.spec.num_classes, self.spec.model_file)


def canonical_variables(model: tf.Module) -> dict[str, tf.Variable]:
    """Variables of a module by the path of attributes that leads to them."""
    found = list(_walk(model, (), tf.Variable))
    names = weights.unique_names("/".join(path) for path, _ in found)
    return dict(zip(names, (variable for _, variable in found), strict=True))


def _walk(value: Any, path: tuple[str, ...], wanted: type) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Objects of the class `wanted` in a module and its parts, each with the attributes that lead to it."""
    if isinstance(value, wanted):
        yield path, value
    elif isinstance(value, tf.Module):
        for name, child in vars(value).items():
            if not name.startswith("_"):  # what TensorFlow itself notes down there would be found twice
                yield from _walk(child, (*path, name), wanted)
    elif isinstance(value, (list, tuple)):
        for index, child in enumerate(value):
            yield from _walk(child, (*path, str(index)), wanted)
    elif isinstance(value, dict):
        for key, child in value.items():
            yield from _walk(child, (*path, str(key)), wanted)
