"""A Keras model inside a backend: building it with seeded weights, its canonical names, its optimiser. Any framework."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import keras
import numpy as np
from keras.src import backend as keras_backend
from keras.src.random.seed_generator import global_seed_generator

from unikeras import model_files, packages, weights
from unikeras.backends import _observe, base
from unikeras.errors import BackendError, ModelError
from unikeras.weights import Weights


class KerasModel(base.Backend):
    """The half of a backend that holds a Keras model; its sibling class in the hierarchy takes the steps."""

    spec: base.ModelSpec
    module: ModuleType
    model: Any

    def build_model(self) -> None:
        """Sets `module`, `model` and its variables by name."""
        self.module, self.model, outputs = build_model(self.spec)
        self.gives_probabilities = base.are_probabilities(outputs)
        self.variables = canonical_variables(self.model)
        self.constrained = [variable for variable in self.model.trainable_variables if variable.constraint is not None]

    def weights(self) -> Weights:
        return {name: keras.ops.convert_to_numpy(variable) for name, variable in self.variables.items()}

    def load_weights(self, received: Weights) -> None:
        expected = {name: tuple(variable.shape) for name, variable in self.variables.items()}
        weights.require_match(expected, received, "The weights")
        for name, variable in self.variables.items():
            variable.assign(received[name])

    def trainable_names(self) -> list[str]:
        return [name for name, variable in self.variables.items() if variable.trainable]

    def tensor(self, name: str) -> Any:
        """The framework's own parameter inside of Keras' variable."""
        return self.variables[name].value

    def constrain(self) -> None:
        """Keras' constraints hold after every update."""
        for variable in self.constrained:
            variable.assign(variable.constraint(variable))

    def observed(self, observe: base.Observe) -> contextlib.AbstractContextManager[None]:
        return _observe.observed(self.model, observe)

    def disable_dropout(self) -> None:
        _observe.disable_dropout(self.model)

    def random_state(self) -> Weights:
        own = {f"keras/{index}": keras.ops.convert_to_numpy(state) for index, state in enumerate(self._seed_states())}
        return {**super().random_state(), **own}

    def load_random_state(self, state: Weights) -> None:
        own = [name for name in state if name.startswith("keras/")]
        states = self._seed_states()
        if len(own) != len(states):
            raise ModelError(f"The checkpoint has {len(own)} random generators of Keras; the model has {len(states)}.")
        for index, variable in enumerate(states):
            variable.assign(state[f"keras/{index}"])
        super().load_random_state({name: array for name, array in state.items() if name not in own})

    def _seed_states(self) -> list[Any]:
        """Variables of the seed generators: the one of unseeded draws, then those of the layers in their order."""
        own = {id(variable) for variable in self.variables.values()}
        return [global_seed_generator().state, *(v for v in self.model.variables if id(v) not in own)]

    def save_model(self, path: Path) -> None:
        with packages.hidden("tensorflow"):  # Keras imports it to look for its shapes, on torch as well
            self.model.save(path)


def build_model(spec: base.ModelSpec) -> tuple[ModuleType, Any, np.ndarray]:
    """The model file as a module, its model with seeded initial weights, and its outputs on a batch of zeros before that.

    Raises:
        ModelError: the file is wrong, or its model doesn't give B×num_classes.
    """
    keras.utils.clear_session()  # automatic layer names start from the same number; it forgets the dtype policy, too
    # The user's ~/.keras/keras.json must not decide what a run means.
    keras.config.set_image_data_format("channels_last")
    keras.config.set_epsilon(1e-7)
    keras.config.set_floatx(spec.variable_dtype)
    keras.config.set_dtype_policy(spec.dtype)
    module = model_files.load(spec.model_file)
    with recorded_initializers() as initializers:
        model = model_files.build(module, spec.input_shape, spec.num_classes)
        if not isinstance(model, keras.Model):
            raise ModelError(
                f"build in {spec.model_file} returned an object of type {type(model).__name__}.", cure="Return a keras.Model."
            )
        outputs = model_files.run_user_code(
            spec.model_file, "failed on its first batch", lambda: model(np.zeros((2, *spec.input_shape), spec.variable_dtype))
        )
    base.require_logits(tuple(outputs.shape), spec.num_classes, spec.model_file)
    seed_weights(canonical_variables(model), initializers, spec.seed)
    return module, model, np.asarray(keras.ops.convert_to_numpy(outputs))


def canonical_variables(model: Any) -> dict[str, Any]:
    """The model's variables by their path, without the name of the model itself."""
    variables = list(model.weights)
    names = weights.unique_names(variable.path.removeprefix(f"{model.name}/") for variable in variables)
    return dict(zip(names, variables, strict=True))


@contextlib.contextmanager
def recorded_initializers() -> Iterator[dict[int, Any]]:
    """While it lasts, collects the initialiser of every new variable, by the variable's id.

    Raises:
        BackendError: this Keras initialises its variables elsewhere.
    """
    variable_class = keras_backend.Variable
    if not hasattr(variable_class, "_initialize_with_initializer"):
        raise BackendError(f"Keras {keras.__version__} initialises variables in an unknown way.", cure="Install keras 3.15.")
    initialize = variable_class._initialize_with_initializer
    initializers: dict[int, Any] = {}

    def record(variable: Any, initializer: Any) -> None:
        initializers[id(variable)] = initializer
        initialize(variable, initializer)

    variable_class._initialize_with_initializer = record
    try:
        yield initializers
    finally:
        variable_class._initialize_with_initializer = initialize


@contextlib.contextmanager
def numpy_draws(rng: np.random.Generator) -> Iterator[None]:
    """While it lasts, Keras' random initialisers, which all draw through three functions of its backend, draw from `rng`."""
    draws = keras_backend.random

    def drawing(sample: Callable[..., np.ndarray]) -> Callable[..., Any]:
        def draw(shape: Sequence[int], first: float, second: float, dtype: str | None) -> Any:
            # float32 values in any type, so that a float64 run starts from the same point.
            return keras.ops.convert_to_tensor(sample(rng, tuple(shape), first, second).astype(np.float32), dtype=dtype)

        return draw

    uniform, normal, truncated = (drawing(f) for f in (weights.uniform, weights.normal, weights.truncated_normal))
    replacements = {
        "uniform": lambda shape, minval=0.0, maxval=1.0, dtype=None, seed=None: uniform(shape, minval, maxval, dtype),
        "normal": lambda shape, mean=0.0, stddev=1.0, dtype=None, seed=None: normal(shape, mean, stddev, dtype),
        "truncated_normal": lambda shape, mean=0.0, stddev=1.0, dtype=None, seed=None: truncated(shape, mean, stddev, dtype),
    }
    originals = {name: getattr(draws, name) for name in replacements}
    try:
        for name, replacement in replacements.items():
            setattr(draws, name, replacement)
        yield
    finally:
        for name, original in originals.items():
            setattr(draws, name, original)


def seed_weights(variables: dict[str, Any], initializers: dict[int, Any], seed: int) -> None:
    """Initialises the variables again, each from its own stream, keyed by (seed, canonical name)."""
    for name, variable in variables.items():
        initializer = initializers.get(id(variable))
        if initializer is not None:
            with numpy_draws(weights.generator(seed, name)):
                variable.assign(initializer(variable.shape, dtype=variable.dtype))
