"""Every setting once: name, type, default, range and help.

The command line, the configuration file, the environment and the Python API all take their names and checks from `Settings`.
Later sources win: defaults < configuration file < environment (`UNIKERAS_…`) < options.

pydantic checks the values but is imported only then, for `--help` has to answer at once.
"""

from __future__ import annotations

import dataclasses
import os
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Union

from annotated_types import Ge, Gt, Lt, Predicate

from unikeras import faults, yaml_file
from unikeras.errors import SettingsError, nearest
from unikeras.interval import SPELLINGS, is_interval

PREFIX = "UNIKERAS_"
NOT_SETTINGS = {"UNIKERAS_DEBUG", faults.VARIABLE}  # read by the command line and by tests


def setting(group: str, default: Any, help: str) -> Any:
    """A field of `Settings` with the heading under which `--help` lists it, its default, and the sentence shown there."""
    return dataclasses.field(default=default, metadata={"group": group, "help": help})


WHAT, TRAINING, MACHINE, SAFETY, PLACES = (
    "What to train", "Training", "Arithmetic and machine", "Interruptions and failures", "Files and folders",
)  # fmt: skip


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """What a training run is made of; field names are the option names with underscores."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"allow_inf_nan": False}

    backend: str = setting(WHAT, "torch", "Backend, several separated by commas, or all.")
    model: str = setting(WHAT, "cnn", "Name of a bundled model, or a Python file with build(input_shape, num_classes).")
    dataset: str = setting(WHAT, "digits", "Dataset name, folder of images, .npz file, or random:SHAPE:CLASSES:COUNT.")
    image_size: str | None = setting(WHAT, None, "Resize images at preparation: 64 or HEIGHTxWIDTH.")
    epochs: Annotated[int, Ge(1)] = setting(TRAINING, 20, "Passes over the training images.")
    batch_size: Annotated[int, Ge(1)] = setting(
        TRAINING, 64, "Images in a training step; the last one of an epoch may be smaller."
    )
    optimizer: Literal["sgd", "momentum", "nesterov", "adam", "adamw", "rmsprop"] = setting(TRAINING, "adam", "Update rule.")
    learning_rate: Annotated[float, Gt(0)] = setting(TRAINING, 3e-3, "Learning rate, at its peak if it is scheduled.")
    schedule: Literal["constant", "cosine", "step"] = setting(
        TRAINING, "cosine", "How the rate falls: not, along a cosine to 0, or to a tenth at 1/2 and at 3/4 of the steps."
    )
    warmup_steps: Annotated[int, Ge(0)] = setting(TRAINING, 0, "Steps over which the rate rises from 0.")
    weight_decay: Annotated[float, Ge(0)] | None = setting(
        TRAINING, None, "Decoupled weight decay, times the rate at each step. If not given: 0.004 for adamw, else 0."
    )
    clip_norm: Annotated[float, Gt(0)] | None = setting(TRAINING, None, "Largest norm of all gradients together.")
    label_smoothing: Annotated[float, Ge(0), Lt(1)] = setting(
        TRAINING, 0.0, "Share of the target spread evenly over the classes."
    )
    augment: Literal["none", "flip", "flip+shift"] = setting(
        TRAINING, "none", "Mirror images at random; shift them by up to 4 pixels."
    )
    normalize: Literal["unit", "symmetric", "dataset"] = setting(
        TRAINING, "unit", "Pixels to [0, 1], to [-1, 1], or to mean 0 and deviation 1 per channel."
    )
    early_stopping: Annotated[int, Ge(1)] | None = setting(
        TRAINING, None, "Stop after this many epochs without a lower test loss."
    )
    seed: Annotated[int, Ge(0), Lt(2**64)] = setting(
        TRAINING, 0, "Decides initial weights, order and augmentation on every backend."
    )
    dtype: Literal["float32", "mixed_bfloat16", "float64"] = setting(
        MACHINE, "float32", "Arithmetic; mixed keeps float32 weights."
    )
    threads: Annotated[int, Ge(1)] | None = setting(MACHINE, None, "CPU threads of the framework; its own choice if not given.")
    log_every: Annotated[int, Ge(1)] = setting(PLACES, 50, "Steps between two rows of metrics.jsonl.")
    checkpoint_every: Annotated[str, Predicate(is_interval)] = setting(
        SAFETY, "1epoch", "Save a checkpoint every so often: 500steps, 30s or 1epoch; the last two and the best are kept."
    )
    max_restarts: Annotated[int, Ge(0)] = setting(
        SAFETY, 0, "Start a worker that died or fell silent again, from its last checkpoint, at most so often."
    )
    on_nan: Literal["stop", "skip", "rollback"] = setting(
        SAFETY,
        "stop",
        "If the loss is no finite number: stop; repeat from the last checkpoint without that batch; or repeat from there "
        "at half the learning rate.",
    )
    output: Path | None = setting(
        PLACES, None, "The run's folder; with several backends, one inside it for each. Default: runs/…"
    )
    data_dir: Path | None = setting(PLACES, None, "Where datasets are looked for, in the layout of TFDS; may be read-only.")
    cache_dir: Path | None = setting(PLACES, None, "Where prepared arrays are kept; the user's cache folder if not given.")

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON and YAML values."""
        return {name: str(value) if isinstance(value, Path) else value for name, value in vars(self).items()}


FIELDS: dict[str, dataclasses.Field[Any]] = {field.name: field for field in dataclasses.fields(Settings)}
ANNOTATIONS = typing.get_type_hints(Settings, include_extras=True)


@dataclasses.dataclass(frozen=True)
class Source:
    """Values of one source (file, environment or option), and how a message names one of its keys."""

    kind: str
    values: Mapping[str, Any]
    spell: typing.Callable[[str], str]


@dataclasses.dataclass(frozen=True)
class Origin:
    """Where a setting's value comes from.

    Attributes:
        kind: default, file, environment or option.
        spelling: How a message names it there, such as `UNIKERAS_SEED`; empty for a default.
    """

    kind: str
    spelling: str


DEFAULT = Origin("default", "")


def as_option(name: str) -> str:
    """The command line's spelling of a setting: `batch_size` is `--batch-size`."""
    return "--" + name.replace("_", "-")


def resolve(
    options: Mapping[str, Any],
    config: Path | None = None,
    environment: Mapping[str, str] = os.environ,
    spell: typing.Callable[[str], str] = as_option,
    defaults: Mapping[str, Any] = types.MappingProxyType({}),
) -> Settings:
    """Settings from all sources, checked.

    Args:
        options: What the caller gave, by setting name; `spell` is how messages name them.
        config: YAML file with setting names as keys (hyphens count as underscores).
        environment: Variables; those that start with `UNIKERAS_` are settings.
        defaults: A command's own, where they are not those of the fields.

    Raises:
        SettingsError: a name is unknown, or a value is not allowed.
    """
    return resolve_with_origins(options, config, environment, spell, defaults)[0]


def resolve_with_origins(
    options: Mapping[str, Any],
    config: Path | None = None,
    environment: Mapping[str, str] = os.environ,
    spell: typing.Callable[[str], str] = as_option,
    defaults: Mapping[str, Any] = types.MappingProxyType({}),
) -> tuple[Settings, dict[str, Origin]]:
    """What `resolve` returns, and for every setting where its value comes from."""
    sources = [
        Source("file", _read_config(config) if config else {}, lambda name: f"{name} in {config}"),
        Source("environment", _read_environment(environment), lambda name: PREFIX + name.upper()),
        Source("option", options, spell),
    ]
    values = dict(defaults)
    origins = dict.fromkeys(FIELDS, DEFAULT)
    for source in sources:
        for name, value in source.values.items():
            if name not in FIELDS:
                raise SettingsError(f"Unknown setting {source.spell(name)}.", cure=nearest(name, FIELDS))
            values[name], origins[name] = value, Origin(source.kind, source.spell(name))
    return validate(values, {name: origins[name].spelling for name in values}), origins


def validate(values: Mapping[str, Any], origin: Mapping[str, str]) -> Settings:
    """Settings with `values` and defaults for the rest; `origin` is how a message names each value's source."""
    import pydantic

    unknown = next((name for name in values if name not in FIELDS), None)
    if unknown is not None:
        raise SettingsError(f"Unknown setting {origin.get(unknown, unknown)}.", cure=nearest(unknown, FIELDS))
    try:
        checked: Settings = pydantic.TypeAdapter(Settings).validate_python(dict(values))
    except pydantic.ValidationError as error:
        name = str(error.errors()[0]["loc"][0])
        raise SettingsError(f"{origin.get(name, name)} can't be {values[name]!r}.", cure=f"Allowed: {allowed(name)}.") from None
    for name in ("model", "dataset", "output", "data_dir", "cache_dir"):
        _require_path(str(getattr(checked, name) or ""), origin.get(name, name))
    is_file = checked.model.endswith(".py")  # as an absolute path, so that a run's configuration means the same in any folder
    return dataclasses.replace(checked, model=str(Path(checked.model).expanduser().resolve())) if is_file else checked


def _require_path(text: str, spelling: str) -> None:
    """Checks that the operating system could have such a path; whether it has is for others to see."""
    try:
        Path(text).expanduser().resolve()
        text.encode()
    except (RuntimeError, ValueError, OSError) as error:  # a home of nobody, a character that no name can have, a name too long
        raise SettingsError(f"{spelling} can't be {text[:80]!r}: {error}.", cure="Give a path of this machine.") from None


def allowed(name: str) -> str:
    """The values a setting takes, in words."""
    annotation, optional = _without_none(ANNOTATIONS[name])
    constraints: tuple[Any, ...] = ()
    if typing.get_origin(annotation) is Annotated:
        annotation, *rest = typing.get_args(annotation)
        constraints = tuple(rest)
    if constraints and isinstance(constraints[0], Predicate):
        return SPELLINGS
    if typing.get_origin(annotation) is Literal:
        words = ", ".join(typing.get_args(annotation))
    else:
        noun = {int: "a whole number", float: "a number", str: "a text", Path: "a path"}[annotation]
        words = " and".join([noun, *map(_bound, constraints)]).replace(noun + " and", noun, 1)
    return f"{words}, or leave it out" if optional else words


def choices(name: str) -> tuple[str, ...]:
    """The values of a setting that has a closed list of them, otherwise nothing."""
    annotation, _ = _without_none(ANNOTATIONS[name])
    return typing.get_args(annotation) if typing.get_origin(annotation) is Literal else ()


def value_type(name: str) -> type:
    """The plain type of a setting without a closed list of values: int, float, str or Path."""
    annotation, _ = _without_none(ANNOTATIONS[name])
    plain: type = typing.get_args(annotation)[0] if typing.get_origin(annotation) is Annotated else annotation
    return plain


def _without_none(annotation: Any) -> tuple[Any, bool]:
    if typing.get_origin(annotation) in (Union, types.UnionType):
        (inner,) = (arg for arg in typing.get_args(annotation) if arg is not type(None))
        return inner, True
    return annotation, False


def _bound(constraint: Ge | Gt | Lt) -> str:
    if isinstance(constraint, Ge):
        return f" ≥ {constraint.ge}"
    return f" > {constraint.gt}" if isinstance(constraint, Gt) else f" < {constraint.lt}"


def _read_config(path: Path) -> dict[str, Any]:
    try:
        content = yaml_file.read(path)
    except OSError as error:
        raise SettingsError(f"The configuration file {path} can't be read: {error.strerror}.", cure="Check the path.") from None
    except ValueError as error:
        raise SettingsError(f"{error}.", cure="Write `name: value` lines.") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise SettingsError(f"{path} holds a {type(content).__name__}.", cure="Write one `name: value` line per setting.")
    return {str(name).replace("-", "_"): value for name, value in content.items()}


def _read_environment(environment: Mapping[str, str]) -> dict[str, str]:
    return {
        name.removeprefix(PREFIX).lower(): value
        for name, value in environment.items()
        if name.startswith(PREFIX) and name not in NOT_SETTINGS and value
    }
