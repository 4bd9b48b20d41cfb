"""What `unikeras tune` searches: settings, each with a list of values or a range, checked as a value is."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from unikeras import backends
from unikeras.errors import SettingsError, nearest
from unikeras.settings import ANNOTATIONS, FIELDS, Settings, allowed, as_option, choices, validate, value_type

# What is compared must be trained for the same task; and these change nothing of what is trained.
REFUSED = {
    "dataset": "results on other data can't be compared",
    "output": "each trial has a folder of its own",
    **dict.fromkeys(
        ("threads", "log_every", "checkpoint_every", "max_restarts", "data_dir", "cache_dir"),
        "it changes nothing of what is trained",
    ),
}
SPELLINGS = "NAME=VALUE,VALUE,… or, for numbers, NAME=LOW:HIGH or NAME=LOW:HIGH:log"
COUNTED = 10_000  # combinations up to which a space is looked through for one that is left


@dataclasses.dataclass(frozen=True)
class Choice:
    """A list of values.

    Attributes:
        name: The setting.
        values: At least two, all different.
    """

    name: str
    values: tuple[Any, ...]

    def __str__(self) -> str:
        return f"{self.name}={listed(self.values)}"


@dataclasses.dataclass(frozen=True)
class Range:
    """All numbers from `low` to `high`, both included; whole ones if these are. With `log`, equal ratios are equally likely."""

    name: str
    low: float
    high: float
    log: bool

    def __str__(self) -> str:
        return f"{self.name}={self.low}:{self.high}{':log' if self.log else ''}"


Space = Choice | Range


def spell(value: Any) -> str:
    """A setting's value as it is typed; None is `none`."""
    return "none" if value is None else str(value)


def listed(values: Iterable[Any]) -> str:
    """Values as they are typed, with commas between them."""
    return ",".join(map(spell, values))


def parse(texts: Iterable[str], settings: Settings, given: Iterable[str] = ()) -> tuple[Space, ...]:
    """The spaces that `texts` mean, in their order.

    Args:
        settings: Those of every trial, but for what is searched.
        given: Names of settings that have a value of their own on the command line.

    Raises:
        SettingsError: a text is none, its setting is unknown or can't be searched, or a value is not allowed.
        BackendError: a backend is unknown or not installed.
    """
    spaces: dict[str, Space] = {}
    for text in texts:
        name, equals, rest = text.partition("=")
        name = name.strip().replace("-", "_")
        if not equals or not rest.strip():
            raise SettingsError(f"--search can't be {text!r}.", cure=f"Allowed: {SPELLINGS}.")
        _require_searchable(name)
        if name in spaces:
            raise SettingsError(f"--search names {name} twice.", cure="Put all of its values into one.")
        if name in given:
            raise SettingsError(f"{as_option(name)} is given, and searched too.", cure="Leave out one of them.")
        spaces[name] = _parse_one(name, rest.strip(), settings)
    if not spaces:
        raise SettingsError("Nothing is searched: there is no --search.", cure=f"Allowed: --search {SPELLINGS}.")
    return tuple(spaces.values())


def combinations(spaces: Sequence[Space]) -> list[dict[str, Any]] | None:
    """All settings that can be tried, where they can be counted; None where there are too many."""
    sizes = [_size(space) for space in spaces]
    total = 1
    for size in sizes:
        total = 0 if size is None else total * size
        if not 0 < total <= COUNTED:
            return None
    values = [space.values if isinstance(space, Choice) else range(int(space.low), int(space.high) + 1) for space in spaces]
    return [dict(zip([space.name for space in spaces], row, strict=True)) for row in itertools.product(*values)]


def key_of(values: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """The same for equal settings."""
    return tuple(sorted((name, spell(value)) for name, value in values.items()))


def _size(space: Space) -> int | None:
    if isinstance(space, Choice):
        return len(space.values)
    return space.high - space.low + 1 if isinstance(space.low, int) and isinstance(space.high, int) else None


def _require_searchable(name: str) -> None:
    able = [field for field in FIELDS if field not in REFUSED]
    if name in REFUSED:
        raise SettingsError(f"--search can't have {name}: {REFUSED[name]}.", cure=f"Allowed: {', '.join(able)}.")
    if name not in FIELDS:
        raise SettingsError(f"Unknown setting {name} in --search.", cure=nearest(name, able))


def _parse_one(name: str, text: str, settings: Settings) -> Space:
    is_number = not choices(name) and value_type(name) in (int, float)
    return _parse_range(name, text, settings) if is_number and ":" in text else _parse_choice(name, text, settings)


def _parse_choice(name: str, text: str, settings: Settings) -> Choice:
    texts = [part.strip() for part in text.split(",")]
    if name == "backend":
        values: list[Any] = [info.name for info in backends.select(",".join(texts))]
    else:
        values = [_value(name, part, settings) for part in texts]
    twice = next((value for value in values if values.count(value) > 1), None)
    if len(set(values)) < len(values):
        raise SettingsError(f"--search {name}={text} names {spell(twice)} twice.", cure="Name each value once.")
    if len(values) < 2:
        cure = f"Give several values with commas between them, or leave it out and give {as_option(name)} {text}."
        raise SettingsError(f"--search {name}={text} has one value, and nothing to search.", cure=cure)
    return Choice(name, tuple(values))


def _parse_range(name: str, text: str, settings: Settings) -> Range:
    low_text, high_text, *rest = (part.strip() for part in text.split(":"))
    if rest not in ([], ["log"]):
        raise SettingsError(f"--search {name} can't be {text!r}.", cure=f"Allowed: {SPELLINGS}.")
    low, high = (_bound(name, part, settings) for part in (low_text, high_text))
    if low >= high:
        what = f"The range of --search {name}={text} is empty: {low_text} is not below {high_text}."
        raise SettingsError(what, cure="Write the lower end first: LOW:HIGH.")
    if rest and low <= 0:
        cure = f"Begin above 0, as in {name}=1e-5:{high_text}:log, or leave :log out."
        raise SettingsError(f"The range of --search {name}={text} begins at 0, which has no logarithm.", cure=cure)
    return Range(name, low, high, bool(rest))


def _bound(name: str, text: str, settings: Settings) -> Any:
    value = None if text == "none" else _value(name, text, settings)
    if value is None:
        raise SettingsError(f"An end of the range of --search {name} can't be {text!r}.", cure=f"Allowed: {allowed(name)}.")
    return value


def _value(name: str, text: str, settings: Settings) -> Any:
    """The setting's value that a text means; `none` is that of one that may be left out."""
    value = None if text == "none" and type(None) in _members(name) else text
    return getattr(validate({**settings.to_dict(), name: value}, {name: f"--search {name}"}), name)


def _members(name: str) -> tuple[Any, ...]:
    """What a setting's type is a union of; nothing if it is none."""
    return tuple(getattr(ANNOTATIONS[name], "__args__", ()))
