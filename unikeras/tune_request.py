"""What `unikeras tune` is asked to do."""

from __future__ import annotations

import dataclasses
import os
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from unikeras import backends
from unikeras.errors import BackendError, SettingsError
from unikeras.settings import Settings, as_option, resolve
from unikeras.tune_space import Choice, Space

METRICS = {"test_accuracy": "maximize", "test_loss": "minimize"}
TRIALS = 20
_SECONDS = {"s": 1, "m": 60, "h": 3600}


@dataclasses.dataclass(frozen=True)
class Request:
    """What to search, and how.

    Attributes:
        settings: Those of every trial, but for what is searched; `seed` decides what is tried, too.
        spaces: What is searched.
        metric: Key of `METRICS`; its value after a trial's last epoch is what counts.
        trials: How many there are to be in the end, with those that an earlier command has made.
        jobs: Trials at a time.
        prune: Whether a trial is stopped that is worse than the median of the others at the same epoch.
        timeout: After so many seconds the trials under way are stopped and saved; None for no limit.
    """

    settings: Settings
    spaces: tuple[Space, ...]
    metric: str = "test_accuracy"
    trials: int = TRIALS
    jobs: int = 1
    prune: bool = True
    timeout: float | None = None

    @property
    def direction(self) -> str:
        """`maximize` or `minimize`."""
        return METRICS[self.metric]

    def choices(self, name: str) -> tuple[Any, ...]:
        """Values of a setting that trials can have; its own if it is not searched, or by a range."""
        found = next((space for space in self.spaces if isinstance(space, Choice) and space.name == name), None)
        return found.values if found else (getattr(self.settings, name),)


def make_request(
    settings: Settings,
    spaces: Sequence[Space],
    *,
    metric: str | None = None,
    trials: int | None = None,
    jobs: int | None = None,
    prune: bool = True,
    timeout: str | None = None,
) -> Request:
    """A checked request. Trials side by side share the CPUs, where `threads` doesn't say otherwise.

    Raises:
        SettingsError: a value is not allowed.
        BackendError: several backends are named outside of the search.
    """
    metric, trials, jobs = metric or "test_accuracy", TRIALS if trials is None else trials, 1 if jobs is None else jobs
    if metric not in METRICS:
        raise SettingsError(f"--metric can't be {metric!r}.", cure=f"Allowed: {', '.join(METRICS)}.")
    for option, number in (("--trials", trials), ("--jobs", jobs)):
        if number < 1:
            raise SettingsError(f"{option} can't be {number}.", cure="Allowed: a whole number ≥ 1.")
    seconds = None if timeout is None else parse_duration(timeout)
    if not any(space.name == "backend" for space in spaces):
        chosen = [info.name for info in backends.select(settings.backend)]
        if len(chosen) > 1:
            cure = f"Name one, or search over them: --search backend={','.join(chosen)}."
            raise BackendError(f"A trial runs on one backend, not on {settings.backend!r}.", cure=cure)
    if jobs > 1 and settings.threads is None:
        settings = dataclasses.replace(settings, threads=max(1, (os.cpu_count() or 1) // jobs))
    return Request(settings, tuple(spaces), metric, trials, jobs, prune, seconds)


def parse_duration(text: str) -> float:
    """Seconds of 90s, 30m or 1.5h.

    Raises:
        SettingsError: it is none of these.
    """
    match = re.fullmatch(r"(\d+\.?\d*)([smh])", text.strip())
    seconds = float(match[1]) * _SECONDS[match[2]] if match else 0.0
    if seconds <= 0:
        raise SettingsError(f"--timeout can't be {text!r}.", cure="Allowed: seconds as 90s, minutes as 30m, or hours as 2h.")
    return seconds


def best_command(settings: Settings) -> str:
    """The command line that trains with these settings."""
    return shlex.join(["unikeras", "train", *_words(settings, leave_out=("output",))])


def resume_command(request: Request, folder: Path) -> str:
    """The command line that goes on with a search in its folder."""
    words = ["unikeras", "tune", *_words(request.settings, leave_out=("output", *(space.name for space in request.spaces)))]
    for space in request.spaces:
        words += ["--search", str(space)]
    words += ["--metric", request.metric, "--trials", str(request.trials), "--jobs", str(request.jobs)]
    return shlex.join([*words, *([] if request.prune else ["--no-prune"]), "--output", str(folder)])


def _words(settings: Settings, leave_out: Sequence[str]) -> list[str]:
    """Options for what is not the default, or would be something else by the environment."""
    default, usual = Settings(), resolve({})
    words: list[str] = []
    for name, value in settings.to_dict().items():
        is_other = value != getattr(default, name) or value != usual.to_dict()[name]
        if name not in leave_out and value is not None and is_other:
            words += [as_option(name), str(value)]
    return words
