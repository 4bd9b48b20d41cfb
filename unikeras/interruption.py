"""Ctrl-C and SIGTERM while a worker trains: the first lets it finish its step and save, the second ends it at once."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from types import FrameType, TracebackType
from typing import Any, Protocol

from unikeras.events import Stopped

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption(KeyboardInterrupt):
    """A training was asked to stop, and did, with everything saved.

    Attributes:
        signal: SIGINT or SIGTERM.
        message: Where it stopped.
        resume: The command that goes on.
    """

    def __init__(self, received: signal.Signals, stopped: Stopped | None) -> None:
        where = f"after step {stopped.step} of epoch {stopped.epoch}" if stopped else "at its end"
        super().__init__(f"Interrupted: training stopped {where}, and is saved.")
        self.signal, self.message, self.resume = received, str(self), ""


class StopSwitch:
    """What stops a training's worker: asked once, it finishes its step and saves. Any thread may use it, and a signal handler."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[str] | None = None
        self.asked = False

    def connect(self, process: subprocess.Popen[str]) -> None:
        """From here on it is about this worker, which is asked at once if somebody has asked before."""
        self.process = process
        if self.asked:
            self.ask()

    def ask(self) -> None:
        """Asks the worker to stop; more than once is the same as once."""
        self.asked = True
        if self.process is not None and self.process.stdin is not None:
            with contextlib.suppress(OSError, ValueError):  # it has ended, and its input is closed
                os.write(self.process.stdin.fileno(), b"stop\n")

    def end(self) -> None:
        """Ends the worker at once; what it did since its last checkpoint is lost."""
        self.asked = True
        if self.process is not None:
            self.process.kill()


class Stoppable(Protocol):
    """A `StopSwitch`, or several behind one."""

    def ask(self) -> None: ...
    def end(self) -> None: ...


class StopSignals:
    """While it is entered, the first of the two signals asks `target` to stop, and the second ends it.

    A caller's own handlers are left alone.

    Args:
        heeded: Whether the target heeds being asked; otherwise everything stays as it is.
    """

    def __init__(self, target: Stoppable, heeded: bool) -> None:
        self.target = target
        self.received: signal.Signals | None = None
        usual = (signal.SIG_DFL, signal.default_int_handler)
        is_main = threading.current_thread() is threading.main_thread()  # elsewhere Python allows no handlers
        self.taken = [number for number in SIGNALS if heeded and is_main and signal.getsignal(number) in usual]
        self.before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> StopSignals:
        self.before = {number: signal.signal(number, self._on_signal) for number in self.taken}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None:
            self.target.end()
            raise KeyboardInterrupt
        self.received = signal.Signals(number)
        self.target.ask()
