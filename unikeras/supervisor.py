"""A training's worker, started again when it dies or falls silent, as often as the person allows."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from unikeras import run, run_lock
from unikeras.errors import WorkerDiedError
from unikeras.events import Event, Job, Notice, Progress, Saved
from unikeras.interruption import StopSwitch
from unikeras.launcher import run_job

LIFE_SECONDS = 1.0  # between two notes of a sign of life


class Supervisor:
    """Watches one training.

    Args:
        folder: The run's.
        lock: Descriptor of the run folder's lock, on which signs of life are noted.
        max_restarts: How often a worker may be started again.
        stop: By which another thread may stop it.
    """

    def __init__(
        self, folder: Path, lock: int, max_restarts: int, on_event: Callable[[Event], None], stop: StopSwitch | None = None
    ) -> None:
        self.folder, self.lock, self.max_restarts, self.on_event, self.stop = folder, lock, max_restarts, on_event, stop
        self.has_saved = False
        self.seen = "before its first step"
        self.last_noted = 0.0

    def run(self, job: Job, environment: Mapping[str, str]) -> Any:
        """The job's result.

        Raises:
            UnikerasError: what the worker reported; a `WorkerDiedError` if it died too often, or twice at the same place.
        """
        for restart in range(1, self.max_restarts + 2):
            self.has_saved = False
            timed = dataclasses.replace(job, arguments={**job.arguments, "launched_at": time.monotonic()})
            try:
                return run_job(timed, environment, self.folder / run.LOG, self._watch, self.lock, self.stop)
            except WorkerDiedError as death:
                if restart > self.max_restarts:
                    raise self._final(death, "") from None
                if restart > 1 and not self.has_saved:
                    raise self._final(death, " It is not started again, for it had saved nothing since the last time.") from None
                self.on_event(Notice(f"{self._what(death)} Restart {restart} of {self.max_restarts}, from the last checkpoint."))
        raise AssertionError("the last attempt returns or raises")

    def _what(self, death: WorkerDiedError) -> str:
        return f"{death.message} It was last seen {self.seen}."

    def _final(self, death: WorkerDiedError, why: str) -> WorkerDiedError:
        cure = f"{death.cure}\n`unikeras resume {self.folder}` goes on from the last checkpoint."
        return WorkerDiedError(self._what(death) + why, cure=cure)

    def _watch(self, event: Event) -> None:
        self.has_saved = self.has_saved or isinstance(event, Saved)
        if isinstance(event, Progress):
            self.seen = f"in epoch {event.epoch}, step {event.step} of the epoch"
        if time.monotonic() - self.last_noted >= LIFE_SECONDS:
            self.last_noted = time.monotonic()
            run_lock.show_life(self.lock)
        self.on_event(event)
