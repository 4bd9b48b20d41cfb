"""TensorFlow alone: a tf.Module, GradientTape, one graph for step and update. Its layouts are the canonical ones already."""

from __future__ import annotations

import contextlib
import importlib
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from unikeras import packages

with packages.hidden("keras"):  # TensorFlow imports it at its end, if it can; without, it saves Keras' time and memory
    importlib.import_module("tensorflow")
import numpy as np
import tensorflow as tf

from unikeras import model_files, weights
from unikeras.backends import base
from unikeras.backends._tensorflow import TensorFlowSteps, assign
from unikeras.errors import ModelError
from unikeras.layers.tensorflow import Dropout, dtypes
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

    @contextlib.contextmanager
    def observed(self, observe: base.Observe) -> Iterator[None]:
        paths = {id(module): "/".join(path) for path, module in _walk(self.model, (), tf.Module) if path}
        calls = Counter[str]()

        def watching(original: Callable[..., Any]) -> Callable[..., Any]:
            def call(module: tf.Module, inputs: Any, *args: Any, **kwargs: Any) -> Any:
                path = paths.get(id(module))
                if path is None:
                    return original(module, inputs, *args, **kwargs)
                calls[path] += 1
                name = path if calls[path] == 1 else f"{path}#{calls[path]}"
                outputs = original(module, _shown(observe, f"{name}:input", inputs), *args, **kwargs)
                return _shown(observe, f"{name}:output", outputs)

            return call

        # Python looks __call__ up in the class that defines it, not in the instance.
        classes = {_definer(type(module)) for path, module in _walk(self.model, (), tf.Module) if path and callable(module)}
        originals = {cls: cls.__call__ for cls in classes}
        try:
            for cls, original in originals.items():
                cls.__call__ = watching(original)
            yield
        finally:
            for cls, original in originals.items():
                cls.__call__ = original

    def disable_dropout(self) -> None:
        for _, module in _walk(self.model, (), Dropout):
            module.rate = 0.0

    def generators(self) -> dict[str, tf.Variable]:
        found = {"/".join(path): generator.state for path, generator in _walk(self.model, (), tf.random.Generator)}
        return {**super().generators(), **found}

    def _check_outputs(self) -> None:
        sample = tf.zeros((2, *self.spec.input_shape), self.dtype)
        outputs = model_files.run_user_code(
            self.spec.model_file, "failed on its first batch", lambda: self.forward(sample, training=False)
        )
        base.require_logits(tuple(outputs.shape), self.spec.num_classes, self.spec.model_file)
        self.gives_probabilities = base.are_probabilities(tf.cast(outputs, self.dtype).numpy())


def canonical_variables(model: tf.Module) -> dict[str, tf.Variable]:
    """Variables of a module by the path of attributes that leads to them."""
    found = list(_walk(model, (), tf.Variable))
    names = weights.unique_names("/".join(path) for path, _ in found)
    return dict(zip(names, (variable for _, variable in found), strict=True))


def _walk(value: Any, path: tuple[str, ...], wanted: type) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Objects of a class inside of `value`, each with the path of attributes that leads to it."""
    if isinstance(value, wanted):
        yield path, value
    if isinstance(value, tf.Module):
        for name, child in vars(value).items():
            if not name.startswith("_"):  # what TensorFlow itself notes down there would be found twice
                yield from _walk(child, (*path, name), wanted)
    elif isinstance(value, (list, tuple)):
        for index, child in enumerate(value):
            yield from _walk(child, (*path, str(index)), wanted)
    elif isinstance(value, dict):
        for key, child in value.items():
            yield from _walk(child, (*path, str(key)), wanted)


def _definer(cls: type) -> Any:
    """The class in whose body the `__call__` of `cls` stands."""
    return next(base for base in cls.__mro__ if "__call__" in vars(base))


def _shown(observe: base.Observe, name: str, tensor: Any) -> Any:
    """The tensor, or what `observe` puts in its place."""
    if not tf.is_tensor(tensor) or not tensor.dtype.is_floating:
        return tensor
    array: np.ndarray = tensor.numpy()
    replacement = observe(name, array if array.dtype == np.float64 else array.astype(np.float32))
    return tensor if replacement is None else tf.cast(replacement, tensor.dtype)
