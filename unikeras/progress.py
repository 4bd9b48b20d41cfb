"""What a person sees while a worker works: a live display on a terminal, plain lines elsewhere, nothing when quiet."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from unikeras.progress_lines import Display, Lines
from unikeras.progress_live import Live

if TYPE_CHECKING:
    from unikeras.settings import Settings

__all__ = ["Display", "make_display", "results_table", "run_shown"]


def make_display(quiet: bool, json: bool) -> Display:
    """The display that fits: none when quiet, live on a terminal, otherwise lines; on standard error beside JSON.

    Colours can be forced on a log, which is no terminal for that; and a notebook gets the lines as plain text.
    """
    console = Console(stderr=json or quiet, emoji=False, force_jupyter=False)
    if quiet:
        return Display(console)
    if not console.is_terminal or console.is_dumb_terminal or not console.file.isatty():
        return Lines(console)
    return Live(console)


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
