"""Several workers side by side: jobs that don't depend on each other, their events brought together in one thread."""

from __future__ import annotations

import dataclasses
import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from unikeras.errors import InterruptedRunError
from unikeras.events import Event, Job
from unikeras.launcher import run_job


@dataclasses.dataclass(frozen=True)
class Task:
    """A job with what its worker needs."""

    job: Job
    environment: Mapping[str, str]
    log: Path


def run_tasks(tasks: Sequence[Task], at_once: int, on_event: Callable[[Event], None]) -> list[Any]:
    """Results of all tasks, in their order; `at_once` of them run at a time.

    `on_event` is called in the caller's thread. When one fails, or the wait is interrupted, the others are given up.

    Raises:
        UnikerasError: what the first failing worker reported.
    """
    news: queue.Queue[tuple[str, int, Any]] = queue.Queue()
    given_up = threading.Event()
    waiting = iter(enumerate(tasks))
    results: dict[int, Any] = {}

    def work(index: int, task: Task) -> None:
        def pass_on(event: Event) -> None:
            if given_up.is_set():
                raise InterruptedRunError("Given up.")  # run_job ends its worker then
            news.put(("event", index, event))

        try:
            news.put(("done", index, run_job(task.job, task.environment, task.log, pass_on)))
        except BaseException as error:  # noqa: BLE001 - it is raised again in the caller's thread
            news.put(("failed", index, error))

    def start_next() -> None:
        for index, task in waiting:
            threading.Thread(target=work, args=(index, task), daemon=True).start()
            return

    try:
        for _ in range(at_once):
            start_next()
        while len(results) < len(tasks):
            kind, index, content = news.get()
            if kind == "event":
                on_event(content)
            elif kind == "failed":
                raise content
            else:
                results[index] = content
                start_next()
    finally:
        given_up.set()
    return [results[index] for index in range(len(tasks))]
