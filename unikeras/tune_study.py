"""The books of a search: an Optuna study in an SQLite file, and beside it what is searched.

Only here is Optuna imported. Each trial's settings are drawn by a sampler whose seed follows from the search's and the trial's
number, from the trials before it: so a search that is interrupted and goes on draws what an unbroken one would have drawn.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import math
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from unikeras import packages, tune_folder
from unikeras.errors import RunError
from unikeras.settings import Settings
from unikeras.tune_request import Request, best_command
from unikeras.tune_result import Trial, TuneResult, best_of
from unikeras.tune_space import Choice, Range, combinations, key_of

DATABASE = "study.db"
TRIALS = "trials"  # a run folder for each
NEEDED = 4  # complete trials, for importances to mean anything
ATTEMPTS = 20  # to draw settings that have not been tried


def require_installed() -> None:
    """Says what is missing before any work.

    Raises:
        BackendError: Optuna is not installed.
    """
    packages.require(("optuna", "sqlalchemy"), "unikeras tune", cure="pip install 'unikeras[tune]'")


class Study:
    """The trials of a search. It is used by one thread.

    Args:
        folder: The search's.
    """

    def __init__(self, folder: Path, request: Request) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.CRITICAL)  # what there is to say is said by the search itself
        self.folder, self.request = folder, request
        self.study = optuna.create_study(
            storage=optuna.storages.RDBStorage(f"sqlite:///{(folder / DATABASE).absolute()}"),
            study_name="unikeras",
            direction=request.direction,
            sampler=optuna.samplers.RandomSampler(seed=0),  # it has nothing to draw: `_draw` does that elsewhere
            pruner=optuna.pruners.MedianPruner(),
            load_if_exists=True,
        )
        self.opened: dict[int, Any] = {}
        self.distributions = {space.name: _distribution(space) for space in request.spaces}

    def unfinished(self) -> list[int]:
        """Numbers of the trials that an earlier command left under way. Whoever holds the search's lock may go on with them."""
        return [trial.number for trial in self.trials() if trial.state == "unfinished"]

    def start(self) -> int | None:
        """Number of a new trial, with settings that have not been tried; None if all have been."""
        values = self._draw()
        if values is None:
            return None
        self.study.enqueue_trial(values)
        number: int = self.study.ask(self.distributions).number + 1
        return number

    def settings(self, number: int) -> Settings:
        """The settings of a trial, with its folder as output."""
        trial = self._trial(number)
        values = {space.name: _suggested(trial, space) for space in self.request.spaces}
        return dataclasses.replace(self.request.settings, **values, output=self.run_folder(number))

    def run_folder(self, number: int) -> Path:
        """The folder of a trial's run."""
        return self.folder / TRIALS / f"{number:04d}"

    def report(self, number: int, epoch: int, value: float) -> bool:
        """Notes down the metric after an epoch; whether the trial is worse than the median of those that got there."""
        trial = self._trial(number)
        if epoch not in self.study.get_trials(deepcopy=False)[number - 1].intermediate_values:
            trial.report(value, epoch)
        return self.request.prune and trial.should_prune()

    def complete(self, number: int, value: float) -> None:
        """A trial has come to its end."""
        self.study.tell(number - 1, value)

    def prune(self, number: int) -> None:
        """A trial is given up."""
        import optuna

        self.study.tell(number - 1, state=optuna.trial.TrialState.PRUNED)

    def fail(self, number: int, reason: str) -> None:
        """A trial has come to nothing."""
        import optuna

        self._trial(number).set_user_attr("reason", reason)
        self.study.tell(number - 1, state=optuna.trial.TrialState.FAIL)

    def trials(self) -> list[Trial]:
        """All of them, in the order in which they were started."""
        states = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}
        return [
            Trial(
                number=trial.number + 1,
                state=states.get(trial.state.name, "unfinished"),
                settings={name: trial.params[name] for name in self.distributions if name in trial.params},
                value=trial.value if trial.state.name == "COMPLETE" else None,
                curve=sorted((epoch, value) for epoch, value in trial.intermediate_values.items() if math.isfinite(value)),
                reason=trial.user_attrs.get("reason", ""),
                run=str(self.run_folder(trial.number + 1)),
            )
            for trial in self.study.get_trials(deepcopy=False)
        ]

    def best(self) -> Trial | None:
        """The best of the complete trials."""
        return best_of(self.trials(), self.request.direction)

    def result(self) -> TuneResult:
        """All that there is to say."""
        trials, request, best = self.trials(), self.request, self.best()
        shared = request.settings.to_dict()
        return TuneResult(
            output=str(self.folder),
            metric=request.metric,
            direction=request.direction,
            searched=tune_folder.searched(request),
            base={name: value for name, value in shared.items() if name not in (*self.distributions, "output")},
            trials=trials,
            best=best,
            command=best_command(dataclasses.replace(request.settings, **best.settings)) if best else "",
            importances=self._importances(trials),
        )

    def _trial(self, number: int) -> Any:
        """A trial to work on, whichever command has started it."""
        import optuna

        if number not in self.opened:
            identity = self.study.get_trials(deepcopy=False)[number - 1]._trial_id
            self.opened[number] = optuna.trial.Trial(self.study, identity)
        return self.opened[number]

    def _draw(self) -> dict[str, Any] | None:
        """Settings for the next trial, drawn in a copy of the study, for what is drawn there is not yet a trial."""
        import optuna

        trials = self.study.get_trials(deepcopy=False)
        seed = int.from_bytes(hashlib.sha256(f"{self.request.settings.seed} {len(trials)}".encode()).digest()[:4])
        copy = optuna.create_study(direction=self.request.direction, sampler=optuna.samplers.TPESampler(seed=seed))
        copy.add_trials(trials)
        tried = {key_of(trial.params) for trial in trials}
        for _ in range(ATTEMPTS):
            values: dict[str, Any] = copy.ask(self.distributions).params
            if key_of(values) not in tried:
                return values
        possible = combinations(self.request.spaces)
        left = [one for one in possible if key_of(one) not in tried] if possible is not None else [values]
        return random.Random(seed).choice(left) if left else None

    def _importances(self, trials: list[Trial]) -> dict[str, float]:
        """By fANOVA: how much of the variance of a random forest, fitted to the complete trials, each setting explains."""
        import optuna

        values = [trial.value for trial in trials if trial.value is not None]
        if len(values) < NEEDED or len(set(values)) < 2:
            return {}
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=self.request.settings.seed % 2**32)
        shares = optuna.importance.get_param_importances(self.study, evaluator=evaluator, params=list(self.distributions))
        return {name: float(share) for name, share in shares.items()}


@contextlib.contextmanager
def explained(folder: Path) -> Iterator[None]:
    """Turns what Optuna and SQLite say of a damaged or unwritable file into an error that says what to do."""
    import optuna
    import sqlalchemy.exc

    try:
        yield
    except (optuna.exceptions.OptunaError, sqlalchemy.exc.SQLAlchemyError) as error:
        reason = " ".join(str(error.__cause__ or error).split())[:200]
        raise RunError(
            f"The search's file {folder / DATABASE} can't be used: {reason}.",
            cure="Make room or make it writable, or restore it from a copy; the finished runs are untouched.",
        ) from error


def _distribution(space: Choice | Range) -> Any:
    from optuna import distributions

    if isinstance(space, Choice):
        return distributions.CategoricalDistribution(space.values)
    if isinstance(space.low, int) and isinstance(space.high, int):
        return distributions.IntDistribution(space.low, space.high, log=space.log)
    return distributions.FloatDistribution(space.low, space.high, log=space.log)


def _suggested(trial: Any, space: Choice | Range) -> Any:
    """What a trial has for a setting. It was drawn when the trial was started, unless the command was killed in that moment."""
    if isinstance(space, Choice):
        return trial.suggest_categorical(space.name, space.values)
    if isinstance(space.low, int) and isinstance(space.high, int):
        return trial.suggest_int(space.name, space.low, space.high, log=space.log)
    return trial.suggest_float(space.name, space.low, space.high, log=space.log)
