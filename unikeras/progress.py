"""What a person sees while a worker works: a live bar on a terminal, plain lines elsewhere, nothing when quiet."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from unikeras import events

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
            self.console.print(f"note: {event.text}", style="yellow", highlight=False, markup=False, soft_wrap=True)


class Lines(Display):
    """A line per epoch, for logs, pipes and notebooks."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self.announced: set[str] = set()

    def begin_run(self, backend: str, settings: Settings) -> None:
        self.backend, self.epochs = backend, settings.epochs

    def on_event(self, event: events.Event) -> None:
        super().on_event(event)
        if isinstance(event, events.Preparing):
            self._announce(event)
        elif isinstance(event, events.Started):
            self.line(started_line(self.backend, event))
        elif isinstance(event, events.Resumed):
            self.line(f"{self.backend}: resumed at epoch {event.epoch}, step {event.step}, checksum ok")
        elif isinstance(event, events.EpochEnd):
            self.line(epoch_line(self.backend, self.epochs, event.row))
        elif isinstance(event, events.Stage):
            self._announce_stage(event)

    def bench_progress(self, stage: str) -> None:
        self.line(stage)

    def tune_line(self, text: str) -> None:
        self.line(text)

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


class Live(Lines):
    """A bar that moves, with the finished epochs as lines above it."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self.bar: Progress | None = None
        self.task = TaskID(0)

    def begin_run(self, backend: str, settings: Settings) -> None:
        super().begin_run(backend, settings)
        self._open(f"[bold]{backend}[/] starting")

    def begin_check(self, workers: int) -> None:
        self.workers = workers
        self.shares: dict[tuple[str, str], float] = {}
        self._open("checking")
        self._update(total=1.0)

    def begin_bench(self, stages: int) -> None:
        self._open("[bold]bench[/]")
        self._update(total=stages, completed=-1)  # the first stage begins at zero

    def bench_progress(self, stage: str) -> None:
        if self.bar is not None:
            self.bar.update(self.task, advance=1, description=f"[bold]bench[/] {stage}")

    def begin_tune(self, trials: int) -> None:
        self._open("[bold]tune[/]")
        self._update(total=trials, completed=0)

    def tune_progress(self, done: float, text: str) -> None:
        self._update(completed=done, description=f"[bold]tune[/] {text}")

    def end_run(self) -> None:
        if self.bar is not None:
            self.bar.stop()
            self.bar = None

    def on_event(self, event: events.Event) -> None:
        if isinstance(event, events.Preparing):
            self._show_preparing(event)
            return
        if isinstance(event, events.Stage):
            self._show_stage(event)
            return
        super().on_event(event)
        if isinstance(event, events.Started):
            self.steps_per_epoch = event.steps_per_epoch
            self._update(total=event.steps_per_epoch * self.epochs, completed=0)
        elif isinstance(event, events.Progress):
            self._show_progress(event)

    def _show_preparing(self, event: events.Preparing) -> None:
        if self.bar is None:
            self._open("")
        self._update(total=event.total, completed=event.done, description=f"[bold]{event.name}[/] preparing")
        if event.done == event.total:
            self.end_run()

    def _show_stage(self, event: events.Stage) -> None:
        key = (event.backend, "reference" if event.stage == "reference" else event.dtype)
        self.shares[key] = event.share
        # A worker that has gone on to its last stage, or whose place another has taken, is nearly done.
        self._update(
            completed=sum(self.shares.values()) / self.workers,
            description=f"[bold]checking[/] {event.backend} {event.dtype}: {event.stage}",
        )

    def _show_progress(self, event: events.Progress) -> None:
        figures = [f"{event.images_per_second:,.0f} images/s"]
        if event.loss is not None:
            figures += [f"loss {event.loss:.4f}", f"accuracy {event.accuracy:.3f}"]
        self._update(
            completed=(event.epoch - 1) * self.steps_per_epoch + event.step,
            description=f"[bold]{self.backend}[/] epoch {event.epoch}/{self.epochs} step {event.step}/{self.steps_per_epoch}",
            figures="  ".join(figures),
        )

    def _open(self, description: str) -> None:
        # Ordered so that a narrow terminal loses the right end first: the bar shrinks, then the figures are cut.
        columns: list[ProgressColumn] = [
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("[cyan]{task.fields[figures]}"),
            _TimeLeft(compact=True),
        ]
        self.bar = Progress(*columns, console=self.console, transient=True)
        self.task = self.bar.add_task(description, total=None, figures="")
        self.bar.start()

    def _update(self, **fields: Any) -> None:
        if self.bar is not None:
            self.bar.update(self.task, **fields)


class _TimeLeft(TimeRemainingColumn):
    def render(self, task: Any) -> Text:
        remaining = super().render(task)
        return Text(f"{remaining.plain} left", style="dim") if "-" not in remaining.plain else Text("")


def make_display(quiet: bool, json: bool) -> Display:
    """The display that fits: none when quiet, live on a terminal, otherwise lines; on standard error beside JSON."""
    console = Console(stderr=json or quiet, emoji=False)
    if quiet:
        return Display(console)
    return Live(console) if console.is_terminal and not console.is_jupyter else Lines(console)


def started_line(backend: str, event: events.Started) -> str:
    """Device and size, before the first step."""
    return f"{backend}: {event.parameters:,} parameters on {event.device}, {event.steps_per_epoch:,} steps an epoch"


def epoch_line(backend: str, epochs: int, row: dict[str, Any]) -> str:
    """An epoch in one line."""
    width = len(str(epochs))
    return (
        f"{backend}  epoch {row['epoch']:>{width}}/{epochs}  loss {row['train_loss']:.4f}  accuracy {row['train_accuracy']:.3f}  "
        f"test loss {row['test_loss']:.4f}  test accuracy {row['test_accuracy']:.3f}  {row['images_per_second']:,.0f} images/s"
    )


def results_table(results: list[dict[str, Any]]) -> Table:
    """Final figures, a row per run."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("\nbackend", "test\naccuracy", "test\nloss", "\nimages/s", "\ntraining", "\nstart-up", "peak\nmemory"):
        table.add_column(title, justify="left" if "backend" in title else "right", no_wrap=True)
    best = max(result["test_accuracy"] for result in results)
    for result in results:
        marked = "green" if result["test_accuracy"] == best else ""
        table.add_row(
            result["backend"],
            Text(f"{result['test_accuracy']:.2%}", style=marked),
            f"{result['test_loss']:.4f}",
            f"{result['images_per_second']:,.0f}",
            f"{result['train_seconds']:.1f} s",
            f"{result['startup_seconds']:.1f} s",
            f"{result['peak_memory_mb']:,.0f} MB",
        )
    return table


@contextlib.contextmanager
def run_shown(display: Display, backend: str, settings: Settings) -> Any:
    """A run's place on the display; it is tidied up whatever happens."""
    display.begin_run(backend, settings)
    try:
        yield
    finally:
        display.end_run()
