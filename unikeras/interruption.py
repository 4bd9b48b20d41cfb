"""Ctrl-C and SIGTERM while a worker trains: the first lets it finish its step and save, the second ends it at once."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from types import FrameType, TracebackType
from typing import Any

from unikeras.events import Event, Stopped

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


class StopSignals:
    """While it is entered, the two signals stop `process` as a training stops. A caller's own handlers are left alone.

    Args:
        heeded: Whether the process heeds `stop`; otherwise everything stays as it is.
    """

    def __init__(self, process: subprocess.Popen[str], heeded: bool) -> None:
        self.process = process
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

    def raise_if_received(self, last: Event) -> None:
        """The worker has reported its last event.

        Raises:
            Interruption: one of the signals has come.
        """
        if self.received is not None:
            raise Interruption(self.received, last if isinstance(last, Stopped) else None)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None:
            self.process.kill()
            raise KeyboardInterrupt
        self.received = signal.Signals(number)
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            os.write(self.process.stdin.fileno(), b"stop\n")
