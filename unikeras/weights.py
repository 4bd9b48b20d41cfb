"""Canonical weights: Keras' names (`conv1/kernel`) and layouts (height×width×in×out, in×out), whatever the backend.

Random initial values come from NumPy, keyed by (seed, name), so that every backend starts from the same bits on any machine.
The distributions are those of keras/src/initializers.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import safetensors
import safetensors.numpy

from unikeras.errors import ModelError, RunError
from unikeras.files import write_bytes

Weights = dict[str, np.ndarray]

_INITIALIZATION = 0x1417  # keeps these streams apart from those of order and augmentation


def generator(seed: int, name: str) -> np.random.Generator:
    """The random stream of one parameter."""
    key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([_INITIALIZATION, seed, key])))


def uniform(rng: np.random.Generator, shape: tuple[int, ...], low: float, high: float) -> np.ndarray:
    """Values in [low, high), float64."""
    return low + (high - low) * rng.random(shape)


def normal(rng: np.random.Generator, shape: tuple[int, ...], mean: float, deviation: float) -> np.ndarray:
    """Gaussian values, float64."""
    return mean + deviation * rng.standard_normal(shape)


def truncated_normal(rng: np.random.Generator, shape: tuple[int, ...], mean: float, deviation: float) -> np.ndarray:
    """Gaussian values, those further than two deviations from the mean drawn again, float64."""
    values = rng.standard_normal(shape)
    while (outside := np.abs(values) > 2).any():
        values[outside] = rng.standard_normal(int(outside.sum()))
    return mean + deviation * values


def initial_value(seed: int, name: str, shape: tuple[int, ...], initializer: str | None = None) -> np.ndarray:
    """What Keras' initialiser of that name gives a parameter; without one, what Keras' layers use for such a name.

    Args:
        name: Canonical; its last part (`kernel`, `gamma`, …) decides the default.
        initializer: zeros, ones, or {glorot,he,lecun}_{uniform,normal}.

    Returns:
        float32 array of `shape`.

    Raises:
        ModelError: the initialiser is unknown.
    """
    initializer = initializer or _DEFAULTS.get(name.rsplit("/", 1)[-1], "zeros")
    if initializer in ("zeros", "ones"):
        return np.full(shape, initializer == "ones", np.float32)
    scheme, _, distribution = initializer.partition("_")
    if scheme not in _SCHEMES or distribution not in ("uniform", "normal"):
        names = ", ".join(["zeros", "ones", *(f"{scheme}_{kind}" for scheme in _SCHEMES for kind in ("uniform", "normal"))])
        raise ModelError(f"Unknown initialiser {initializer!r} for {name}.", cure=f"Allowed: {names}.")
    gain, mode = _SCHEMES[scheme]
    variance = gain / max(1.0, _fan(shape, mode))
    rng = generator(seed, name)
    if distribution == "uniform":
        limit = math.sqrt(3.0 * variance)
        return uniform(rng, shape, -limit, limit).astype(np.float32)
    # 0.8796… is the deviation of a unit normal cut at two deviations.
    return truncated_normal(rng, shape, 0.0, math.sqrt(variance) / 0.87962566103423978).astype(np.float32)


_DEFAULTS = {"kernel": "glorot_uniform", "gamma": "ones", "moving_variance": "ones"}
_SCHEMES = {"glorot": (1.0, "average"), "he": (2.0, "in"), "lecun": (1.0, "in")}


def _fan(shape: tuple[int, ...], mode: str) -> float:
    """Inputs of a unit, or the mean of inputs and outputs; the field of a convolution kernel counts as inputs."""
    if len(shape) < 2:
        return float(shape[0]) if shape else 1.0
    field = math.prod(shape[:-2])
    fan_in, fan_out = shape[-2] * field, shape[-1] * field
    return float(fan_in) if mode == "in" else (fan_in + fan_out) / 2.0


def require_match(expected: Mapping[str, tuple[int, ...]], received: Mapping[str, np.ndarray], what: str) -> None:
    """Checks that `received` has exactly the names and shapes `expected`.

    Raises:
        ModelError: naming every parameter that is missing, unknown or of another shape.
    """
    problems = [f"{name} is missing" for name in expected if name not in received]
    problems += [f"{name} is unknown" for name in received if name not in expected]
    problems += [
        f"{name} is {'×'.join(map(str, received[name].shape))}, expected {'×'.join(map(str, shape))}"
        for name, shape in expected.items()
        if name in received and received[name].shape != tuple(shape)
    ]
    if problems:
        more = f" and {len(problems) - 6} more" if len(problems) > 6 else ""
        raise ModelError(
            f"{what} do not fit the model: {'; '.join(problems[:6])}{more}.",
            cure="The implementations of a model must have equal layer names and shapes, in Keras' layout.",
        )


def unique_names(names: Iterable[str]) -> list[str]:
    """The names as a list.

    Raises:
        ModelError: two parameters have the same name.
    """
    names = list(names)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ModelError(f"Several parameters are called {', '.join(twice[:4])}.", cure="Give each layer a name of its own.")
    return names


def digest(weights: Mapping[str, np.ndarray]) -> str:
    """SHA-256 over names, types, shapes and values."""
    total = hashlib.sha256()
    for name in sorted(weights):
        array = np.asarray(weights[name], order="C")  # ascontiguousarray would make a vector of a scalar
        total.update(f"{name} {array.dtype.str} {array.shape};".encode())
        total.update(array.tobytes())
    return total.hexdigest()


def save(weights: Mapping[str, np.ndarray], path: Path) -> None:
    """Writes a safetensors file; it is whole or not there, even after a power cut."""
    content = safetensors.numpy.save({name: np.asarray(array, order="C") for name, array in weights.items()})
    write_bytes(path, content)


def load(path: Path) -> Weights:
    """Reads a safetensors file.

    Raises:
        RunError: the file is missing or damaged.
    """
    try:
        return dict(safetensors.numpy.load_file(path))
    except FileNotFoundError:
        raise RunError(f"{path} is missing.", cure="Restore it from a copy, or train the run again.") from None
    except (OSError, ValueError, LookupError, TypeError, safetensors.SafetensorError) as error:
        reason = f"{type(error).__name__}: {error}" if isinstance(error, LookupError) else error
        raise RunError(f"{path} can't be read: {reason}.", cure="Restore it from a copy, or train the run again.") from None
