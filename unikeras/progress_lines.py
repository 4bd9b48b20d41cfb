"""What a worker's events become where nothing can be drawn: plain lines, or nothing but notices when quiet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from unikeras import events
from unikeras.progress_training import Best, Part

if TYPE_CHECKING:
    from unikeras.settings import Settings


class Display:
    """Shows nothing but notices; the base of the others.

    Args:
        console: Where to write; standard error when standard output belongs to JSON.
    """

    def __init__(self, console: Console) -> None:
        self.console = console

    def begin_run(self, backend: str, settings: Settings) -> None:
        """A worker for this backend is about to start."""

    def begin_check(self, workers: int) -> None:
        """A check is about to start, in which so many workers will take part."""

    def begin_bench(self, stages: int) -> None:
        """A benchmark is about to start, which will come to so many stages."""

    def bench_progress(self, stage: str) -> None:
        """A benchmark has come to its next stage, in words."""

    def begin_tune(self, trials: int) -> None:
        """A search of so many trials is about to start."""

    def tune_progress(self, done: float, text: str) -> None:
        """So many of a search's trials are done; `text` says what is under way."""

    def tune_line(self, text: str) -> None:
        """Something has happened in a search."""

    def end_run(self) -> None:
        """The worker is gone, whether it succeeded or not."""

    def on_event(self, event: events.Event) -> None:
        """Shows an event of the worker."""
        if isinstance(event, events.Notice):
            self.console.print(Text.assemble(("note: ", "bold yellow"), event.text), highlight=False, soft_wrap=True)


class Lines(Display):
    """A line per epoch, for logs, pipes and notebooks."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self.announced: set[str] = set()

    def begin_run(self, backend: str, settings: Settings) -> None:
        self.backend, self.epochs, self.best = backend, settings.epochs, Best()

    def on_event(self, event: events.Event) -> None:
        super().on_event(event)
        if isinstance(event, events.Preparing):
            self._announce(event)
        elif isinstance(event, events.Started):
            self.line(started_line(self.backend, event))
        elif isinstance(event, events.Resumed):
            self.best.loss = event.best
            self.line(f"{self.backend}: resumed at epoch {event.epoch}, step {event.step}, checksum ok")
        elif isinstance(event, events.EpochEnd):
            self.print_epoch(event.row, self.best.is_beaten(event.row))
        elif isinstance(event, events.Stage):
            self._announce_stage(event)

    def bench_progress(self, stage: str) -> None:
        self.line(stage)

    def tune_line(self, text: str) -> None:
        self.line(text)

    def print_epoch(self, row: dict[str, Any], is_best: bool) -> None:
        """Prints the row of an epoch that has ended."""
        self.line("  ".join(text for text, _, _ in epoch_parts(self.backend, self.epochs, row, is_best)))

    def line(self, text: str) -> None:
        """Prints a line as it is, without wrapping."""
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def _announce_stage(self, event: events.Stage) -> None:
        stage = f"{event.backend} {event.dtype}: {event.stage}"
        if stage not in self.announced:
            self.announced.add(stage)
            self.line(f"checking {stage}")

    def _announce(self, event: events.Preparing) -> None:
        stage = f"{event.name} is prepared" if event.done == event.total else f"preparing {event.name}"
        if stage not in self.announced:
            self.announced.add(stage)
            self.line(f"{stage}: {event.total:,} samples")


def started_line(backend: str, event: events.Started) -> str:
    """Device and size, before the first step."""
    return f"{backend}: {event.parameters:,} parameters on {event.device}, {event.steps_per_epoch:,} steps an epoch"


def epoch_parts(backend: str, epochs: int, row: dict[str, Any], is_best: bool) -> list[Part]:
    """An epoch in words that go side by side."""
    parts: list[Part] = [
        (backend, "bold", 5),
        (f"epoch {row['epoch']:>{len(str(epochs))}}/{epochs}", "", 0),
        (f"loss {row['train_loss']:.4f}", "", 4),
        (f"accuracy {row['train_accuracy']:.3f}", "", 6),
        (f"test loss {row['test_loss']:.4f}", "", 3),
        (f"test accuracy {row['test_accuracy']:.3f}", "", 1),
        (f"{row['images_per_second']:,.0f} images/s", "dim", 7),
    ]
    return [*parts, ("best", "green", 2)] if is_best else parts
