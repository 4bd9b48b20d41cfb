"""Points of a training at which a test can end the process or make a write fail; elsewhere nothing happens at them.

`UNIKERAS_FAULTS=kill:checkpoint.commit:2` ends the worker by SIGKILL when it reaches that point for the second time. The action
is `kill`, `kill-parent` or the name of an operating-system error such as ENOSPC, which is then raised; the point `*` is any.
Points are counted, not timed, so that a fault strikes at the same place on every machine. `scripts/kill_matrix` uses them all.
"""

from __future__ import annotations

import dataclasses
import errno
import os
import signal

VARIABLE = "UNIKERAS_FAULTS"

POINTS = (
    "step",  # a step has been taken
    "row",  # half a row of metrics.jsonl is written
    "evaluated",  # an epoch's row is written, its checkpoint not begun
    "file.begin",  # a file is about to be opened, for a checkpoint or for good
    "file.half",  # half of it is written
    "file.written",  # all of it, but nothing forced to the disk
    "file.synced",  # forced to the disk
    "checkpoint.begin",  # its temporary folder is there
    "checkpoint.commit",  # everything is on the disk, under the temporary name
    "checkpoint.renamed",  # it has its name, which is not forced to the disk
    "checkpoint.saved",  # committed; older ones are about to be removed
    "checkpoint.pruned",  # of which one is removed
    "trained",  # the last checkpoint is saved, the results are about to be written
    "resume.loaded",  # the model has a checkpoint's state, the run's files are as they were
    "resume.ready",  # the run's files have been cut back to it
)


@dataclasses.dataclass
class Fault:
    """What happens, where, and at which time of being there."""

    action: str
    point: str
    remaining: int

    @staticmethod
    def parse(text: str) -> Fault:
        """The fault that ACTION:POINT:COUNT means."""
        action, point, count = text.split(":")
        return Fault(action, point, int(count))

    def strike(self, point: str) -> None:
        """Counts a point, and acts if it is the one."""
        if self.point not in ("*", point):
            return
        self.remaining -= 1
        if self.remaining != 0:
            return
        if self.action.startswith("kill"):
            print(f"fault: {self.action} at {point}", flush=True)  # into the worker's log, so that a test knows that it landed
            os.kill(os.getppid() if self.action == "kill-parent" else os.getpid(), signal.SIGKILL)
        else:
            number = getattr(errno, self.action)
            raise OSError(number, os.strerror(number))


_fault: Fault | None = None


def arm(text: str | None) -> None:
    """Sets the fault of this process; None or an empty text takes it away."""
    global _fault
    _fault = Fault.parse(text) if text else None


def reach(point: str) -> None:
    """This process has come to a point."""
    if _fault is not None:
        _fault.strike(point)
