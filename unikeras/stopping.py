"""Whether this worker has been asked to stop. Set by the thread that reads standard input, heeded between two steps."""

from __future__ import annotations

import threading

requested = threading.Event()


class StopRequested(Exception):  # noqa: N818 - nothing went wrong: training has ended early, as asked, with everything saved
    """Training stopped after `step`, in `epoch`.

    Attributes:
        epoch: Counted from 1.
        step: Steps taken so far.
    """

    def __init__(self, epoch: int, step: int) -> None:
        super().__init__(f"stopped after step {step}")
        self.epoch, self.step = epoch, step
