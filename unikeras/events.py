"""What crosses the process boundary, in both directions: one JSON object a line, never pickle.

The parent writes one `Job` to the worker's standard input, and later perhaps lines such as `stop`. The worker writes events to a
pipe of their own, for standard output belongs to the frameworks; the last event is `Finished`, `Stopped` or `Failed`.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any, ClassVar


@dataclasses.dataclass(frozen=True)
class Job:
    """What a worker is to do.

    Attributes:
        kind: Name of a function in `unikeras.jobs`: train, evaluate, predict, prepare, …
        arguments: Its keyword arguments, as JSON values.
    """

    kind: str
    arguments: dict[str, Any]

    def encode(self) -> str:
        return json.dumps({"kind": self.kind, "arguments": self.arguments})

    @staticmethod
    def decode(line: str) -> Job:
        return Job(**json.loads(line))


@dataclasses.dataclass(frozen=True)
class Event:
    """Base of everything that a worker reports."""

    kinds: ClassVar[dict[str, type[Event]]] = {}

    def __init_subclass__(cls) -> None:
        Event.kinds[cls.__name__] = cls

    def encode(self) -> str:
        return json.dumps({"event": type(self).__name__, **dataclasses.asdict(self)})

    @staticmethod
    def decode(line: str) -> Event:
        fields = json.loads(line)
        return Event.kinds[fields.pop("event")](**fields)


Emit = Callable[[Event], None]


@dataclasses.dataclass(frozen=True)
class Notice(Event):
    """A line for the person: something was decided or repaired on the way."""

    text: str


@dataclasses.dataclass(frozen=True)
class Preparing(Event):
    """`done` of `total` samples of `name` are now arrays on the disk."""

    name: str
    done: int
    total: int


@dataclasses.dataclass(frozen=True)
class Started(Event):
    """The model is built and the first step comes next.

    Attributes:
        initial_weights: Their SHA-256.
        shapes: Of the parameters, by canonical name.
    """

    device: str
    parameters: int
    steps_per_epoch: int
    initial_weights: str
    shapes: dict[str, list[int]]


@dataclasses.dataclass(frozen=True)
class Progress(Event):
    """Where training is; loss and accuracy are means since the start of the epoch, None before the first reading."""

    epoch: int
    step: int
    images_per_second: float
    loss: float | None
    accuracy: float | None


@dataclasses.dataclass(frozen=True)
class Resumed(Event):
    """A checkpoint was found intact and loaded; `epoch` goes on after `step`, or starts.

    Attributes:
        best: Lowest test loss at the end of an epoch so far; infinity before the first.
    """

    epoch: int
    step: int
    best: float


@dataclasses.dataclass(frozen=True)
class Rewound(Event):
    """Training went back to a checkpoint after a loss that was no number; the rows written since are removed."""


@dataclasses.dataclass(frozen=True)
class Saved(Event):
    """A checkpoint is on the disk; a resume would go on with `epoch`, after `step`."""

    epoch: int
    step: int


@dataclasses.dataclass(frozen=True)
class Alive(Event):
    """Sent every few seconds, so that a worker that computes for long can be told from one that hangs."""


@dataclasses.dataclass(frozen=True)
class EpochEnd(Event):
    """An epoch's row of metrics.jsonl."""

    row: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Stage(Event):
    """A check has come to `stage` for `backend` in `dtype`; `share` of this worker's work is done."""

    backend: str
    dtype: str
    stage: str
    share: float


@dataclasses.dataclass(frozen=True)
class Contending(Event):
    """A contender of a benchmark is ready to race.

    Attributes:
        variant: The settings that it chose for itself, in words.
        seconds: Of its start, by part: import (since the launch), build, first_step.
        losses: Of its first steps, which must be those of the other contenders.
        evaluation: Images a second.
    """

    variant: str
    seconds: dict[str, float]
    losses: list[float]
    evaluation: float


@dataclasses.dataclass(frozen=True)
class Block(Event):
    """A contender's turn is over, in which it trained on so many images."""

    seconds: float
    images: int


@dataclasses.dataclass(frozen=True)
class Reached(Event):
    """The trial of a backend has come through a stage (import, build or steps), which took so many seconds."""

    stage: str
    seconds: float


@dataclasses.dataclass(frozen=True)
class Finished(Event):
    """The job is done; `result` is what its function returned."""

    result: Any


@dataclasses.dataclass(frozen=True)
class Stopped(Event):
    """The job ended early, as asked; everything up to `step` is saved."""

    epoch: int
    step: int


@dataclasses.dataclass(frozen=True)
class Failed(Event):
    """The job failed; `error` is a `UnikerasError` as a dictionary."""

    error: dict[str, Any]
