"""How `unikeras tune` is shown: a line for each trial that has ended, a bar for those under way, and what was found."""

from __future__ import annotations

from typing import Any

from unikeras.events import Progress
from unikeras.progress import Display
from unikeras.tune_request import Request
from unikeras.tune_result import Trial, TuneResult, counts
from unikeras.tune_words import figure, outcome, shown


class TrialLines:
    """Shows trials as they come and go."""

    def __init__(self, request: Request, display: Display) -> None:
        self.request, self.display = request, display
        self.done = 0
        self.shares: dict[int, float] = {}  # of the trials under way
        self.steps: dict[int, int] = {}  # in an epoch of theirs

    def begin(self, before: list[Trial]) -> None:
        """The search starts, or goes on with the trials that are there."""
        ended = [trial for trial in before if trial.state != "unfinished"]
        self.done = len(ended)
        self.display.begin_tune(max(self.request.trials, len(before)))
        if before:
            self.display.tune_line(f"goes on with {counts(before)}")

    def note(self, text: str) -> None:
        """A line for the person."""
        self.display.tune_line(f"note: {text}")

    def starting(self, number: int) -> None:
        """A trial's worker is started."""
        self._update(f"trial {number} starting")

    def started(self, number: int, steps_per_epoch: int) -> None:
        """A trial's first step comes next."""
        self.steps[number] = steps_per_epoch

    def progress(self, number: int, event: Progress, epochs: int) -> None:
        """A trial has got further."""
        steps = self.steps.get(number, event.step) or 1
        self.shares[number] = min(1.0, (event.epoch - 1 + event.step / steps) / epochs)
        self._update(f"trial {number} epoch {event.epoch}/{epochs}")

    def ended(self, trial: Trial, best: Trial | None) -> None:
        """A trial has come to its end."""
        self.done += 1
        self.shares.pop(trial.number, None)
        width = len(str(self.request.trials))
        values = "  ".join(f"{name} {shown(value)}" for name, value in trial.settings.items())
        so_far = f"best {figure(best.value, self.request.metric)} (trial {best.number})" if best else "no best yet"
        self.display.tune_line(
            f"trial {trial.number:>{width}}/{self.request.trials}  {values}  {outcome(trial, self.request.metric)}  {so_far}"
        )
        self._update("")

    def _update(self, text: str) -> None:
        self.display.tune_progress(self.done + sum(self.shares.values()), text)


def print_result(result: TuneResult, output: Any) -> None:
    """The best trial, its command, and what mattered."""
    best = result.best
    assert best is not None  # the command has ended with an error otherwise
    lines = [
        "",
        f"best: trial {best.number}, {outcome(best, result.metric)}, of {counts(result.trials)}",
        f"settings: {'  '.join(f'{name} {shown(value)}' for name, value in best.settings.items())}",
    ]
    if result.importances:
        lines.append(f"importance: {', '.join(f'{name} {share:.0%}' for name, share in result.importances.items())}")
    lines += [f"run: {best.run}", f"command: {result.command}"]
    for line in lines:
        output.print(line, highlight=False, markup=False, soft_wrap=True)
