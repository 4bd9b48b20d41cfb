"""How a training under way looks on a terminal: a bar for the epoch, the curve of the loss, the best epoch, the time left.

Only the terminal's own colours are used, and nothing is told by them alone: it can be read on dark, on light and without any.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from unikeras import events

BLOCKS = "▁▂▃▄▅▆▇█"
MOST_POINTS = 512  # of the curve; beyond it every second one goes
WIDEST_BAR, WIDEST_CURVE = 40, 32

Part = tuple[str, str, int]  # text, style, and rank: of what doesn't fit, the highest rank goes first


class Best:
    """The epoch with the lowest test loss so far; of one before a resume only the loss is known."""

    def __init__(self) -> None:
        self.loss = math.inf
        self.epoch: int | None = None

    def is_beaten(self, row: dict[str, Any]) -> bool:
        """Whether an epoch's row is better than all before, which is then remembered."""
        if not row["test_loss"] < self.loss:
            return False
        self.loss, self.epoch = row["test_loss"], row["epoch"]
        return True


class TrainingView:
    """What is drawn again and again while a worker trains."""

    def __init__(self, backend: str, epochs: int, best: Best) -> None:
        self.backend, self.epochs, self.best = backend, epochs, best
        self.steps_per_epoch = 0  # until the worker has built the model
        self.done = (1, 0)  # epoch, and step in it
        self.losses: list[float] = []
        self.every, self.seen = 1, 0  # of the losses that were seen, each such one is a point
        self.loss: float | None = None  # the latest
        self.has_reading = False  # in this epoch
        self.latest: events.Progress | None = None
        self.clock = (0.0, 0)  # time and step at the first sign of this process

    def start(self, steps_per_epoch: int) -> None:
        """The worker has built the model; the clock starts at its first sign."""
        self.steps_per_epoch, self.clock = steps_per_epoch, (0.0, 0)

    def progress(self, event: events.Progress) -> None:
        """A sign of the worker."""
        if event.loss is not None:
            self.has_reading = True
            self._add_point(event.loss)
        self.latest, self.done = event, (event.epoch, event.step)
        if not self.clock[0]:
            self.clock = (time.monotonic(), self._steps_done())

    def end_epoch(self, row: dict[str, Any]) -> None:
        """The next epoch begins, if there is one. Short ones may have no reading of the loss but their mean."""
        epoch = row["epoch"]
        if not self.has_reading:
            self._add_point(row["train_loss"])
        self.has_reading = False
        self.done = (epoch + 1, 0) if epoch < self.epochs else (epoch, self.steps_per_epoch)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        if not self.steps_per_epoch:
            yield Text.assemble((self.backend, "bold"), " starting: the framework is imported and the model compiled")
            return
        yield self._bar(options.max_width)
        curve = sparkline(self.losses, min(WIDEST_CURVE, options.max_width // 4)) if options.encoding.startswith("utf") else ""
        yield Text("  ").join(Text(text, style) for text, style in fitted(self._figures(curve), options.max_width, 2))

    def seconds_left(self, steps: int) -> float | None:
        """How long so many steps will take at the mean pace of this process, evaluations included; None before it is known."""
        started, first = self.clock
        taken, elapsed = self._steps_done() - first, time.monotonic() - started
        return None if not started or taken <= 0 or elapsed < 1 else steps * elapsed / taken

    def _bar(self, width: int) -> Table:
        epoch, step = self.done
        head = Text.assemble((self.backend, "bold"), f" epoch {epoch}/{self.epochs}")
        left = self.seconds_left(self.steps_per_epoch - step)
        tail = Text(f"{step}/{self.steps_per_epoch}" + ("" if left is None else f"  {duration(left)} left"))
        room = min(WIDEST_BAR, width - head.cell_len - tail.cell_len - 2)
        grid = Table.grid(padding=(0, 1, 0, 0))
        bar = ProgressBar(
            total=self.steps_per_epoch, completed=step, width=max(room, 1), style="dim", complete_style="green",
            finished_style="green",
        )  # fmt: skip
        grid.add_row(*(head, bar, tail) if room >= 8 else (head, tail))
        return grid

    def _figures(self, curve: str) -> list[Part]:
        event, parts = self.latest, []
        if self.loss is not None:
            parts += [("loss " + (curve + " " if curve else "") + f"{self.loss:.4f}", "", 0)]
        if event is not None and event.accuracy is not None:
            parts += [(f"accuracy {event.accuracy:.3f}", "", 3)]
        if event is not None:
            parts += [(f"{event.images_per_second:,.0f} images/s", "", 4)]
        if math.isfinite(self.best.loss):
            which = "best" if self.best.epoch is None else f"best: epoch {self.best.epoch},"
            parts += [(f"{which} test loss {self.best.loss:.4f}", "green", 1)]
        left = self.seconds_left(self.epochs * self.steps_per_epoch - self._steps_done())
        return parts if left is None else [*parts, (f"{duration(left)} in all", "", 2)]

    def _steps_done(self) -> int:
        return (self.done[0] - 1) * self.steps_per_epoch + self.done[1]

    def _add_point(self, loss: float) -> None:
        if loss == self.loss or not math.isfinite(loss):
            return
        self.loss = loss
        self.seen += 1
        if self.seen % self.every == 0:
            self.losses.append(loss)
        if len(self.losses) > MOST_POINTS:
            self.losses, self.every = self.losses[::2], 2 * self.every


def sparkline(values: Sequence[float], width: int) -> str:
    """A curve of at most `width` characters from the lowest value to the highest; nothing for fewer than two values."""
    if len(values) < 2:
        return ""
    count = min(width, len(values))
    edges = [index * len(values) // count for index in range(count + 1)]
    means = [sum(values[a:b]) / (b - a) for a, b in itertools.pairwise(edges)]
    low, high = min(means), max(means)
    top = len(BLOCKS) - 1
    return "".join(BLOCKS[round((mean - low) / (high - low) * top) if high > low else 0] for mean in means)


def fitted(parts: Sequence[Part], width: int, gap: int) -> list[tuple[str, str]]:
    """Those parts that fit side by side, in their order; the first in rank stays in any case."""
    kept = list(parts)
    while len(kept) > 1 and sum(len(text) + gap for text, _, _ in kept) - gap > width:
        kept.remove(max(kept, key=lambda part: part[2]))
    return [(text, style) for text, style, _ in kept]


def duration(seconds: float) -> str:
    """In the two largest units: 9s, 1m 05s, 2h 07m."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02}s"
    return f"{whole // 3600:,}h {whole % 3600 // 60:02}m"
