"""`unikeras tune`, parent side: starts trials, notes down what they come to, gives up those that are behind."""

from __future__ import annotations

import dataclasses
import itertools
import math
import time
from pathlib import Path

from unikeras import backends, commands, model_files, run, run_lock, tune_folder, tune_study
from unikeras.data import locate
from unikeras.errors import RunError, UnikerasError, WorkerError
from unikeras.events import EpochEnd, Event, Notice, Progress, Started
from unikeras.interruption import Interruption, StopSignals
from unikeras.progress import Display
from unikeras.run import Run
from unikeras.tune_printing import TrialLines
from unikeras.tune_request import Request, resume_command
from unikeras.tune_result import TuneResult
from unikeras.tune_study import Study
from unikeras.tune_trials import News, Trials, epoch_rows


def tune(request: Request, display: Display) -> TuneResult:
    """Makes a search's trials, up to the number asked for; a search that is in its folder already goes on.

    Raises:
        UnikerasError: anything was wrong, or no trial came to anything.
        Interruption: the search was asked to stop, and did.
    """
    tune_study.require_installed()
    request = _prepared(request, display)
    folder = request.settings.output or run.new_folder_name(request.settings, "tune")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"The folder {folder} can't be made: {error.strerror}.", cure="Choose another --output.") from None
    with run_lock.hold(folder):
        tune_folder.claim(folder, request)
        with tune_study.explained(folder):
            study = Study(folder, request)
            Search(request, study, display).run()
            result = study.result()
    _require_something(result, request)
    return result


class Search:
    """One command's part of a search.

    Attributes:
        trials: Under way.
        given_up: Numbers of those among them that have been told to stop because they are behind.
        planned: Epochs of those under way.
    """

    def __init__(self, request: Request, study: Study, display: Display) -> None:
        self.request, self.study, self.display = request, study, display
        self.trials = Trials()
        self.given_up: set[int] = set()
        self.planned: dict[int, int] = {}
        self.waiting = study.unfinished()
        self.is_exhausted = False  # nothing is left to try
        self.is_stopped = False
        self.refusal: UnikerasError | None = None
        self.deadline = None if request.timeout is None else time.monotonic() + request.timeout
        self.lines = TrialLines(request, display)

    def run(self) -> None:
        """Until there are as many trials as asked for, the time is over, or somebody stops it.

        Raises:
            UnikerasError: the first trial's input was wrong, and so would be that of all.
            Interruption: the search was asked to stop, and did.
        """
        self.lines.begin(self.study.trials())
        try:
            with StopSignals(self, heeded=True) as signals:
                self._fill()
                while self.trials.switches:
                    self._heed(self.trials.next_news(self.deadline))
                    self._fill()
        finally:
            self.trials.close()
            self.display.end_run()
        if signals.received is not None:
            raise self._interruption(signals)
        if self.refusal is not None:
            raise self.refusal

    def ask(self) -> None:
        """Stops the search: trials under way finish their step and save."""
        self.is_stopped = True
        self.trials.ask()

    def end(self) -> None:
        """Ends it at once."""
        self.is_stopped = True
        self.trials.end()

    def _fill(self) -> None:
        """Starts trials while there is room."""
        while not (self.is_stopped or self.is_exhausted) and len(self.trials.switches) < self.request.jobs:
            number = self._next()
            if number is None:
                return
            settings = self.study.settings(number)
            self.planned[number] = settings.epochs
            for row in epoch_rows(self.study.run_folder(number)):  # of a process that ended before it noted them down here
                self._end_of_epoch(number, row)
            if number in self.given_up:
                self._show_ended(number)
            else:
                self.lines.starting(number)
                self.trials.start(number, settings)

    def _next(self) -> int | None:
        """An unfinished trial, or a new one."""
        if self.waiting:
            return self.waiting.pop(0)
        if len(self.study.trials()) >= self.request.trials:
            return None
        number = self.study.start()
        if number is None:
            self.lines.note("all combinations have been tried: there is nothing left to search")
            self.is_exhausted = True
        return number

    def _heed(self, news: News | None) -> None:
        if news is None:
            self.lines.note("the time is over: trials under way are saved, and the same command goes on with them")
            self.deadline = None
            self.ask()
        elif isinstance(news.content, Event):
            self._on_event(news.number, news.content)
        else:
            self._on_end(news.number, news.content)

    def _on_event(self, number: int, event: Event) -> None:
        if isinstance(event, Started):
            self.lines.started(number, event.steps_per_epoch)
        elif isinstance(event, Notice):
            self.lines.note(f"trial {number}: {event.text}")
        elif isinstance(event, Progress):
            self.lines.progress(number, event, self.planned[number])
        elif isinstance(event, EpochEnd) and number not in self.given_up:
            self._end_of_epoch(number, event.row)
            if number in self.given_up:
                self.trials.switches[number].ask()

    def _end_of_epoch(self, number: int, row: dict[str, float]) -> None:
        """Notes down the metric, and gives the trial up if it is behind; not at its end, when nothing is saved by that."""
        epoch, value = int(row["epoch"]), row[self.request.metric]
        is_behind = self.study.report(number, epoch, value)
        if is_behind and epoch < self.planned[number] and number not in self.given_up:
            self.study.prune(number)
            self.given_up.add(number)

    def _on_end(self, number: int, end: Run | BaseException) -> None:
        if number in self.given_up:
            self._show_ended(number)
        elif isinstance(end, Run):
            self._on_finished(number, end)
        elif isinstance(end, Interruption) or (self.is_stopped and isinstance(end, WorkerError)):
            return  # it goes on with the next command, from its last checkpoint
        elif isinstance(end, UnikerasError):
            self._on_error(number, end)
        else:
            raise end

    def _on_finished(self, number: int, finished: Run) -> None:
        for row in epoch_rows(finished.path):
            self.study.report(number, int(row["epoch"]), row[self.request.metric])
        value = finished.result[self.request.metric]
        if math.isfinite(value):
            self.study.complete(number, value)
        else:
            self.study.fail(number, f"its {self.request.metric.replace('_', ' ')} is {value}")
        self._show_ended(number)

    def _on_error(self, number: int, error: UnikerasError) -> None:
        """A wrong input ends the search as long as nothing has worked; later, and otherwise, only that trial has failed."""
        if error.exit_code == 2 and not any(trial.curve for trial in self.study.trials()):
            self.refusal = self.refusal or error
            return self.ask()
        self.study.fail(number, error.message)
        return self._show_ended(number)

    def _show_ended(self, number: int) -> None:
        self.lines.ended(self.study.trials()[number - 1], self.study.best())

    def _interruption(self, signals: StopSignals) -> Interruption:
        assert signals.received is not None
        interruption = Interruption(signals.received, None)
        count = len(self.study.unfinished())
        interruption.message = f"Interrupted: the search is saved, with {count} trial{'' if count == 1 else 's'} under way."
        interruption.resume = resume_command(self.request, self.study.folder)
        return interruption


def _prepared(request: Request, display: Display) -> Request:
    """The request with its dataset at an absolute place, after everything that trials can need has been found and prepared."""
    names = ",".join(request.choices("backend"))
    for model, info in itertools.product(request.choices("model"), backends.select(names)):
        model_files.framework_file(model_files.locate(model), info.framework, info.uses_keras)
    for size in request.choices("image_size"):
        commands.prepare(commands.request_of(dataclasses.replace(request.settings, image_size=size)), display)
    dataset = locate.absolute_name(commands.request_of(request.settings))
    return dataclasses.replace(request, settings=dataclasses.replace(request.settings, dataset=dataset))


def _require_something(result: TuneResult, request: Request) -> None:
    """Raises an error if no trial has come to anything."""
    if result.best is not None:
        return
    failed = [trial for trial in result.trials if trial.state == "failed"]
    folder = Path(result.output)
    if failed and len(failed) == len(result.trials):
        raise WorkerError(
            f"All {len(failed)} trials failed. Trial {failed[0].number}: {failed[0].reason}",
            cure=f"{folder / tune_study.TRIALS} has their folders, each with its {run.LOG}. Try another --search and --output.",
        )
    raise WorkerError(
        f"No trial has come to its end: {len(result.trials)} were started.", cure=f"Go on with: {resume_command(request, folder)}"
    )
