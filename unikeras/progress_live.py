"""What a person at a terminal sees: bars that move, with what is finished as lines above them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.live import Live as Redrawn
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from unikeras import events
from unikeras.progress_lines import Lines, epoch_parts
from unikeras.progress_training import TrainingView, fitted

if TYPE_CHECKING:
    from unikeras.settings import Settings


class Live(Lines):
    """A training, a check, a benchmark or a preparation as it goes on."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self.bar: Progress | None = None
        self.task = TaskID(0)
        self.training: Redrawn | None = None

    def begin_run(self, backend: str, settings: Settings) -> None:
        super().begin_run(backend, settings)
        self.view = TrainingView(backend, settings.epochs, self.best)
        self.training = Redrawn(self.view, console=self.console, transient=True, refresh_per_second=8)
        self.training.start()

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
        for shown in (self.bar, self.training):
            if shown is not None:
                shown.stop()
        self.bar = self.training = None

    def on_event(self, event: events.Event) -> None:
        if isinstance(event, events.Preparing):
            self._show_preparing(event)
        elif isinstance(event, events.Stage):
            self._show_stage(event)
        else:
            super().on_event(event)
        if self.training is not None:
            self._show_training(event)

    def line(self, text: str) -> None:
        self.console.print(text, highlight=False, markup=False)  # wrapped between words

    def print_epoch(self, row: dict[str, Any], is_best: bool) -> None:
        words = fitted(epoch_parts(self.backend, self.epochs, row, is_best), self.console.width, 2)
        self.console.print(Text("  ").join(Text(text, style) for text, style in words), soft_wrap=True)

    def _show_training(self, event: events.Event) -> None:
        if isinstance(event, events.Started):
            self.view.start(event.steps_per_epoch)
        elif isinstance(event, events.Progress):
            self.view.progress(event)
        elif isinstance(event, events.EpochEnd):
            self.view.end_epoch(event.row)

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

    def _open(self, description: str) -> None:
        bar = BarColumn(bar_width=24, style="dim", complete_style="green", finished_style="green", pulse_style="green")
        self.bar = Progress(TextColumn("{task.description}"), bar, _TimeLeft(compact=True), console=self.console, transient=True)
        self.task = self.bar.add_task(description, total=None)
        self.bar.start()

    def _update(self, **fields: Any) -> None:
        if self.bar is not None:
            self.bar.update(self.task, **fields)


class _TimeLeft(TimeRemainingColumn):
    def render(self, task: Any) -> Text:
        remaining = super().render(task)
        return Text(f"{remaining.plain} left", style="dim") if "-" not in remaining.plain else Text("")
