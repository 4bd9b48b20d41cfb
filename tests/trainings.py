"""Trainings in a backend's own process that is kept for many of them: see probes/training_server.py."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from support import TESTS

from unikeras import commands, run
from unikeras.backends import BACKENDS
from unikeras.errors import UnikerasError
from unikeras.events import Event
from unikeras.launcher import child_environment
from unikeras.progress import make_display
from unikeras.settings import Settings, resolve

TIMES = ("train_seconds", "test_seconds", "images_per_second", "peak_memory_mb")  # and what else the machine decides


@dataclasses.dataclass
class Ended:
    """How a training ended; a killed one left no events."""

    status: int
    events: list[Event]
    error: UnikerasError | None


class Trainings:
    """The process of one backend."""

    def __init__(self, backend: str, log: Path) -> None:
        self.backend, self.log = backend, log
        command = [sys.executable, "-P", str(TESTS / "probes" / "training_server.py"), backend]
        environment = {
            **child_environment(BACKENDS[backend], 1),
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
            "TMPDIR": str(log.parent),  # for what TensorFlow leaves behind when it is killed
        }
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=output, env=environment, text=True
            )

    def close(self) -> None:
        self.process.communicate()

    def settings(self, **values: Any) -> Settings:
        texts = {name: str(value) if isinstance(value, Path) else value for name, value in values.items()}
        return resolve({"threads": 1, **texts, "backend": self.backend})

    def train(self, folder: Path, settings: Settings, fault: str | None = None, look: Path | None = None) -> Ended:
        """A training in `folder`, from its newest checkpoint if it has one.

        Args:
            fault: As in `unikeras.faults`.
            look: Where to write, as .npz, all that the first step starts from; training ends there.
        """
        folder.mkdir(exist_ok=True)
        dataset = commands.prepare(commands.request_of(settings), make_display(quiet=True, json=False))
        arguments = {"settings": settings.to_dict(), "folder": str(folder), "dataset": str(dataset)}
        with tempfile.TemporaryDirectory() as place:
            file = Path(place) / "answer.json"
            status = self._ask({"arguments": arguments, "fault": fault, "answer": str(file), "look": look and str(look)})
            answer = json.loads(file.read_text()) if file.is_file() else {"events": [], "error": None}
        error = UnikerasError.from_dict(answer["error"]) if answer["error"] else None
        return Ended(status, [Event.decode(event) for event in answer["events"]], error)

    def finish(self, folder: Path, settings: Settings) -> Ended:
        """A training that must come to its end."""
        ended = self.train(folder, settings)
        assert (ended.status, ended.error) == (0, None), f"{ended}; {self.log.read_text()[-2000:]}"
        assert (folder / run.RESULT).is_file(), self.log.read_text()[-2000:]
        return ended

    def _ask(self, order: dict[str, Any]) -> int:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            if line != "ready\n":
                return int(line)
        raise AssertionError(f"the process of {self.backend} ended: {self.process.wait()}; {self.log.read_text()[-2000:]}")


TrainingsOn = Callable[[str], Trainings]


def outcome(folder: Path) -> tuple[bytes, list[dict[str, Any]]]:
    """What an interruption must not change: the weights' bytes, and all rows without their times."""
    rows = [{key: value for key, value in row.items() if key not in TIMES} for row in run.load_run(folder).metrics]
    return (folder / run.WEIGHTS).read_bytes(), rows
