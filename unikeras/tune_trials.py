"""Trials under way: each is an ordinary training, watched by a thread of its own; their news come together in one queue."""

from __future__ import annotations

import dataclasses
import json
import queue
import threading
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from unikeras import commands, run
from unikeras.events import Event
from unikeras.interruption import StopSwitch
from unikeras.progress import Display
from unikeras.run import Run
from unikeras.settings import Settings


@dataclasses.dataclass(frozen=True)
class News:
    """Of a trial: an event of its worker; or its end, the finished run or the exception that ended it."""

    number: int
    content: Event | Run | BaseException


class Trials:
    """The trials that are under way.

    Attributes:
        switches: What stops each of them, by its number.
    """

    def __init__(self) -> None:
        self.switches: dict[int, StopSwitch] = {}
        self._threads: dict[int, threading.Thread] = {}
        self._news: queue.SimpleQueue[News] = queue.SimpleQueue()

    def start(self, number: int, settings: Settings) -> None:
        """Starts a training, or goes on with it where its folder has it."""
        switch = self.switches[number] = StopSwitch()
        thread = self._threads[number] = threading.Thread(target=self._train, args=(number, settings, switch), daemon=True)
        thread.start()

    def next_news(self, deadline: float | None) -> News | None:
        """The next thing that happens; None once it is `deadline`, by time.monotonic(), even if news keep coming."""
        left = None if deadline is None else deadline - time.monotonic()
        if left is not None and left <= 0:
            return None
        try:
            news = self._news.get(timeout=left)
        except queue.Empty:
            return None
        if not isinstance(news.content, Event):
            self._threads.pop(news.number).join()
            del self.switches[news.number]
        return news

    def ask(self) -> None:
        """Asks all of them to stop, as Ctrl-C does a training."""
        for switch in list(self.switches.values()):
            switch.ask()

    def end(self) -> None:
        """Ends all of them at once."""
        for switch in list(self.switches.values()):
            switch.end()

    def close(self) -> None:
        """Ends those that are left, and waits until their workers are gone."""
        self.end()
        for thread in self._threads.values():
            thread.join()

    def _train(self, number: int, settings: Settings, switch: StopSwitch) -> None:
        try:
            (finished,) = commands.train(settings, _Forwarding(number, self._news), stop=switch)
            self._news.put(News(number, finished))
        except BaseException as error:  # noqa: BLE001 - it is looked at in the thread that waits for news
            self._news.put(News(number, error))


class _Forwarding(Display):
    """Shows nothing, and passes all events on."""

    def __init__(self, number: int, news: queue.SimpleQueue[News]) -> None:
        super().__init__(Console(quiet=True))
        self.number, self.news = number, news

    def on_event(self, event: Event) -> None:
        self.news.put(News(self.number, event))


def epoch_rows(folder: Path) -> list[dict[str, Any]]:
    """Rows of the epochs that a run has ended, finished or not; a last line that was cut off is left out."""
    try:
        lines = (folder / run.METRICS).read_bytes().split(b"\n")[:-1]
    except OSError:
        return []
    rows = []
    for line in lines:
        try:
            rows.append(json.loads(line))
        except ValueError:  # written in part; a resume cuts it off
            break
    return [row for row in rows if row["kind"] == "epoch"]
