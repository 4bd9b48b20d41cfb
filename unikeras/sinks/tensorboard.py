"""TensorBoard event files in the run's folder: `tensorboard --logdir RUN` shows them.

They are made anew from the first row whenever rows have been removed, so that each step is there once. tensorboardX's own
`SummaryWriter` is not used, for it writes from a thread that a full disk ends without a word, and then waits for it forever.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unikeras import packages, run
from unikeras.sinks import base
from unikeras.sinks.base import Examples, Kind, Row

if TYPE_CHECKING:
    from unikeras.run import Run
    from unikeras.settings import Settings


class TensorBoard(base.Sink):
    """Writes what TensorBoard shows under Time Series, Scalars, Images and HParams."""

    def __init__(self, _value: Any, folder: Path, settings: Settings) -> None:
        with packages.hidden("torch", "comet_ml"):  # tensorboardX imports them only because they are installed
            from tensorboardX import event_file_writer, summary
            from tensorboardX.proto import event_pb2
        self.events, self.summary, self.files = event_pb2, summary, event_file_writer
        self.folder, self.settings = folder / run.TENSORBOARD, settings
        self.writer: Any = None

    def begin(self) -> None:
        self.close()
        self.folder.mkdir(exist_ok=True)
        for old in self.folder.glob("events.out.tfevents.*"):
            old.unlink()
        self.writer = self.files.EventsWriter(str(self.folder.resolve() / "events"), f".{time.time_ns()}")
        # A TensorBoard that is watching forgets what it has read of the old file.
        self._write(0, session_log=self.events.SessionLog(status=self.events.SessionLog.START))
        self.writer.flush()

    def add(self, rows: list[Row]) -> None:
        for row in rows:
            self._write_scalars(*base.scalars(row))
        self.writer.flush()

    def finish(self, finished: Run, examples: Callable[[], Examples]) -> None:
        last, figures = base.final_scalars(finished)
        for part in self.summary.hparams(base.hyper_parameters(self.settings), figures):
            self._write(last, summary=part)
        self._write_scalars(last, figures)
        self.writer.flush()
        self._write_pictures(last, examples())

    def close(self) -> None:
        if self.writer is not None:
            writer, self.writer = self.writer, None
            writer.close()

    def _write_pictures(self, last: int, examples: Examples) -> None:
        from unikeras.sinks import _pictures

        pictures = {"confusion matrix": _pictures.confusion_matrix(examples), "test images": _pictures.sample(examples)}
        for name, picture in pictures.items():
            if picture is not None:
                self._write(last, summary=self.summary.image(name.replace(" ", "_"), picture, dataformats="HWC"))
        self.writer.flush()

    def _write_scalars(self, place: int, values: dict[str, float]) -> None:
        for name, value in values.items():
            self._write(place, summary=self.summary.scalar(name, value))

    def _write(self, place: int, **content: Any) -> None:
        self.writer.write_event(self.events.Event(wall_time=time.time(), step=place, **content))


KIND = Kind(
    make=TensorBoard,
    packages=("tensorboardX",),
    metavar=None,
    help="Write figures, the confusion matrix and sample images for TensorBoard into the run's folder.",
)
