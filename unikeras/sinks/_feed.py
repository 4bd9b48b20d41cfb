"""Reads the rows of one run as they come, and gives them to its sinks."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from unikeras import run
from unikeras.events import Emit, EpochEnd, Event, Notice, Progress, Resumed, Rewound, Saved, Started
from unikeras.run import Run
from unikeras.settings import Settings
from unikeras.sinks import Wanted
from unikeras.sinks.base import Examples, Row, Sink


@contextlib.contextmanager
def opened(wanted: Sequence[Wanted], folder: Path, settings: Settings, emit: Emit) -> Iterator[Feed]:
    """The sinks that a run is to have, closed whatever happens.

    Raises:
        UnikerasError: one can't be used.
    """
    feed = Feed(folder, emit)
    try:
        for sink in wanted:
            feed.sinks[sink.name] = sink.open(folder, settings)
        yield feed
    finally:
        feed.close()


class Feed:
    """The sinks of one run.

    Rows are read when the worker shows that it has come further. A file that is read while it is cut back may give nonsense; but
    then an event follows that says so, and all is read again.

    Args:
        emit: Gets the notices.

    Attributes:
        sinks: By name. One that fails is left.
    """

    def __init__(self, folder: Path, emit: Emit) -> None:
        self.metrics, self.emit = folder / run.METRICS, emit
        self.sinks: dict[str, Sink] = {}
        self._start_over()

    def on_event(self, event: Event) -> None:
        """The worker has come further."""
        if isinstance(event, (Started, Resumed, Rewound)):
            self._start_over()  # at the next sign, for now the file may still be as it was left
        elif isinstance(event, (Progress, EpochEnd, Saved)) and self.sinks:
            self._read()
            if isinstance(event, Saved):
                self._settle(lambda row: _is_before(row, event))

    def finish(self, finished: Run, examples: Callable[[], Examples]) -> None:
        """The run is complete."""
        self._read()
        self._settle(lambda row: True)
        self._each(lambda sink: sink.finish(finished, examples))

    def close(self) -> None:
        """No more comes."""
        self._each(lambda sink: sink.close())

    def _start_over(self) -> None:
        self.has_begun, self.offset = False, 0
        self.pending: list[Row] = []  # for sinks that take only settled rows

    def _read(self) -> None:
        if not self.has_begun:
            self.has_begun = True
            self._each(lambda sink: sink.begin())
        rows = self._new_rows()
        self.pending += rows
        if rows:
            self._each(lambda sink: None if sink.settled else sink.add(rows))

    def _settle(self, is_settled: Callable[[Row], bool]) -> None:
        rows = [row for row in self.pending if is_settled(row)]
        self.pending = [row for row in self.pending if not is_settled(row)]
        if rows:
            self._each(lambda sink: sink.add(rows) if sink.settled else None)

    def _new_rows(self) -> list[Row]:
        """Rows since the last reading; a line that is not whole yet waits."""
        try:
            with self.metrics.open("rb") as file:
                file.seek(self.offset)
                content = file.read()
            whole = content[: content.rfind(b"\n") + 1]
            rows = [json.loads(line) for line in whole.splitlines()]
        except (OSError, ValueError):
            return []
        self.offset += len(whole)
        return rows

    def _each(self, action: Callable[[Sink], None]) -> None:
        for name, sink in list(self.sinks.items()):
            try:
                action(sink)
            except Exception as error:  # noqa: BLE001 - whatever a sink's packages raise, the training is worth more
                del self.sinks[name]
                words = str(error).splitlines()
                why = words[0] if words else type(error).__name__
                self.emit(Notice(f"--{name} has failed and gets no more of this run, which goes on: {why}"))


def _is_before(row: Row, saved: Saved) -> bool:
    """Whether a checkpoint counts on a row: an epoch's comes after that of its last step."""
    return bool(row["epoch"] < saved.epoch if row["kind"] == "epoch" else row["step"] <= saved.step)
