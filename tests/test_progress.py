"""What a person sees of a training: it fits the terminal, needs no colour, and is plain lines where nothing can be drawn."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from support import python

from unikeras import events
from unikeras.progress_lines import Lines
from unikeras.progress_training import Best, TrainingView, duration, fitted, sparkline
from unikeras.settings import Settings

COLOUR = re.compile(r"\x1b\[(?:[\d;]*;)?(?:3[0-7]|4[0-7]|9[0-7]|38|48)[;m]")
REDRAWN = "\x1b[2K"  # a line is erased to be drawn again

# A training as its events tell it; there is time for a few frames.
PLAY = """
import time
from unikeras import events, progress
from unikeras.settings import Settings
row = dict(train_loss=1.0, train_accuracy=0.5, test_accuracy=0.5, images_per_second=1234.0)
display = progress.make_display(quiet=False, json=False)
with progress.run_shown(display, "torch", Settings(epochs=2)):
    display.on_event(events.Started("cpu", 100, 10, "", {}))
    for epoch in (1, 2):
        for step in range(1, 11):
            display.on_event(events.Progress(epoch, step, 1234.0, 2.0 / (10 * epoch + step), 0.5))
        time.sleep(0.3)
        display.on_event(events.EpochEnd({**row, "epoch": epoch, "test_loss": float(epoch)}))
"""


def on_a_terminal(code: str, **environment: str) -> str:
    """What a script writes to a terminal."""
    parent, child = pty.openpty()
    env = {**os.environ, "TERM": "xterm", "COLUMNS": "80", **environment}
    process = subprocess.Popen([sys.executable, "-P", "-c", code], stdout=child, stderr=child, stdin=child, env=env)
    os.close(child)
    received = b""
    while True:
        try:
            part = os.read(parent, 1 << 16)
        except OSError:  # what Linux says when the other side is closed
            break
        if not part:
            break
        received += part
    os.close(parent)
    assert process.wait() == 0, received.decode()
    return received.decode()


def epoch_row(epoch: int, test_loss: float) -> dict[str, Any]:
    return {
        "epoch": epoch, "train_loss": 1.0, "train_accuracy": 0.5, "test_loss": test_loss, "test_accuracy": 0.5,
        "images_per_second": 1234.0,
    }  # fmt: skip


def make_view() -> TrainingView:
    best = Best()
    best.is_beaten(epoch_row(3, 0.25))
    view = TrainingView("native-tensorflow", 20, best)
    view.start(1000)
    for step in range(1, 900):
        view.progress(events.Progress(4, step, 123456.0, 2.0 / step, 0.5))
    view.clock = (time.monotonic() - 10, 3000)
    return view


def drawn(view: TrainingView, width: int, **options: Any) -> list[str]:
    console = Console(file=io.StringIO(), width=width, **options)
    console.print(view)
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined, no-any-return]


@pytest.mark.parametrize("width", [20, 60, 100, 160])
def test_it_fits_the_terminal(width: int) -> None:
    bar, figures = drawn(make_view(), width)[:2]
    if width > 20:
        assert max(len(bar), len(figures)) <= width
        assert "epoch 4/20" in bar
        assert "899/1000" in bar
        assert "best: epoch 3, test loss 0.2500" in figures
        assert "█" in figures
    assert ("images/s" in figures) == (width == 160)


def test_it_tells_how_long_the_epoch_and_all_will_take() -> None:
    view = make_view()
    assert view.seconds_left(899) == pytest.approx(10, rel=0.5)
    bar, figures = drawn(view, 160)
    assert re.search(r"\ds left$", bar.rstrip())
    assert re.search(r"\dm \d\ds in all$", figures.rstrip())
    view.start(1000)
    assert view.seconds_left(100) is None, "nothing is known at the start"


def test_a_curve_falls_as_the_loss_does() -> None:
    assert sparkline([8, 7, 6, 5, 4, 3, 2, 1], 8) == "█▇▆▅▄▃▂▁"
    assert sparkline(list(range(100)), 5) == "▁▃▅▆█"
    assert sparkline([1.0, 1.0], 5) == "▁▁"
    assert sparkline([1.0], 5) == ""


def test_a_curve_of_a_long_training_stays_small_and_keeps_its_shape() -> None:
    view = TrainingView("torch", 1, Best())
    view.start(100_000)
    for step in range(1, 50_001):
        view.progress(events.Progress(1, step, 1.0, 1.0 / step, 0.5))
    assert len(view.losses) <= 513
    assert view.losses == sorted(view.losses, reverse=True)


def test_epochs_too_short_for_a_reading_make_a_curve_of_their_own() -> None:
    """With 23 steps an epoch and a row every 50, as digits have them, no step tells its loss."""
    view = TrainingView("torch", 20, Best())
    view.start(23)
    for epoch, loss in enumerate((3.0, 2.0, 1.0), start=1):
        view.progress(events.Progress(epoch, 20, 1000.0, None, None))
        view.end_epoch({**epoch_row(epoch, 1.0), "train_loss": loss})
    assert "loss █▅▁ 1.0000" in drawn(view, 100)[1]
    view.progress(events.Progress(4, 10, 1000.0, 0.5, 0.75))
    view.end_epoch({**epoch_row(4, 1.0), "train_loss": 0.6})
    assert view.losses == [3.0, 2.0, 1.0, 0.5], "an epoch with readings adds no point at its end"


def test_what_does_not_fit_goes_by_rank() -> None:
    parts = [("first", "", 0), ("third", "", 2), ("second", "", 1)]
    assert fitted(parts, 100, 2) == [("first", ""), ("third", ""), ("second", "")]
    assert fitted(parts, 13, 2) == [("first", ""), ("second", "")]
    assert fitted(parts, 1, 2) == [("first", "")]


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0s"), (59.6, "1m 00s"), (65, "1m 05s"), (3600, "1h 00m"), (90_000, "25h 00m")]
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_the_best_epochs_are_marked_and_a_resume_knows_of_those_before(tmp_path: Path) -> None:
    written = io.StringIO()
    lines = Lines(Console(file=written, width=200))
    lines.begin_run("torch", Settings(epochs=5))
    lines.on_event(events.Resumed(2, 10, best=0.5))
    for epoch, loss in ((2, 0.6), (3, 0.4), (4, float("nan")), (5, 0.4)):
        lines.on_event(events.EpochEnd(epoch_row(epoch, loss)))
    marked = [line.endswith("  best") for line in written.getvalue().splitlines() if "epoch " in line and "test loss" in line]
    assert marked == [False, True, False, False]


def test_on_a_terminal_it_is_drawn_again_and_again() -> None:
    shown = on_a_terminal(PLAY)
    assert REDRAWN in shown
    assert COLOUR.search(shown)
    assert "━" in shown
    assert "test accuracy 0.500" in shown


def test_without_colours_it_says_the_same() -> None:
    shown = on_a_terminal(PLAY, NO_COLOR="1")
    assert not COLOUR.search(shown)
    assert REDRAWN in shown
    assert "best: epoch 1, test loss 1.0000" in shown


@pytest.mark.parametrize("environment", [{"TERM": "dumb"}, {"FORCE_COLOR": "1"}], ids=["dumb terminal", "log with colours"])
def test_where_nothing_can_be_drawn_it_is_lines(environment: dict[str, str]) -> None:
    if "TERM" in environment:
        shown = on_a_terminal(PLAY, **environment)
    else:
        env = {**os.environ, **environment}
        shown = subprocess.run([sys.executable, "-P", "-c", PLAY], capture_output=True, text=True, env=env, check=True).stdout
    assert REDRAWN not in shown
    assert "━" not in shown
    assert shown.split("\n")[1].strip() == (
        "torch  epoch 1/2  loss 1.0000  accuracy 0.500  test loss 1.0000  test accuracy 0.500  1,234 images/s  best"
    )


def test_a_notebook_gets_plain_lines() -> None:
    """As in Jupyter's kernel, where rich would make a block of HTML of every line."""
    shell = "import builtins\nclass ZMQInteractiveShell: pass\nbuiltins.get_ipython = ZMQInteractiveShell\n"
    answer = python(shell + PLAY)
    assert answer.code == 0, answer
    assert [line[:16] for line in answer.out.splitlines()] == ["torch: 100 param", "torch  epoch 1/2", "torch  epoch 2/2"]
