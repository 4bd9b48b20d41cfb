"""`unikeras compare`: finished runs side by side, and whether their accuracies differ by more than chance."""

from __future__ import annotations

import dataclasses
import itertools
import string
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from unikeras import commands, significance
from unikeras.errors import DataError, RunError, SettingsError
from unikeras.progress import Display
from unikeras.run import FIGURES, PREDICTIONS, Run
from unikeras.settings import Settings

if TYPE_CHECKING:
    from unikeras.predictions import Predictions

RESULTS = ("test_accuracy", "test_loss", "train_loss", "epochs", "steps")
SPEEDS = tuple(name for name in FIGURES if name not in RESULTS)
CIRCUMSTANCES = ("device", "cpu", "cores", "system", "python", "git_commit", "data_hash", "model_hash", "initial_weights")
MOST_RUNS = len(string.ascii_uppercase)


def compare(runs: Sequence[Run], display: Display, test: Settings | None = None) -> dict[str, Any]:
    """What differs between finished runs, and what came out, as JSON values.

    Args:
        test: Also test whether accuracies differ by more than chance, with data from these places (`data_dir`, `cache_dir`) or
            the runs' own. Test images are predicted where that hasn't been done yet.

    Returns:
        `runs` with their letters, `settings` and `circumstances` that are not the same in all of them (values in the order of the
        runs), `results`, `speed`, and `pairs` of the test, or None.

    Raises:
        SettingsError: fewer than two runs, or one of them twice.
        DataError: they are to be tested, and were trained on different data, or their data have changed since.
    """
    _require_several(runs)
    letters = string.ascii_uppercase[: len(runs)]
    return {
        "runs": [{"letter": letter, "run": str(run.path)} for letter, run in zip(letters, runs, strict=True)],
        "settings": _differences([_settings(run) for run in runs]),
        "circumstances": _differences([_circumstances(run) for run in runs]),
        "results": _columns(runs, RESULTS),
        "speed": _columns(runs, SPEEDS),
        "pairs": None if test is None else _test(runs, letters, test, display),
    }


def _require_several(runs: Sequence[Run]) -> None:
    if not 2 <= len(runs) <= MOST_RUNS:
        raise SettingsError(
            f"compare can't take {len(runs)} run{'s' * (len(runs) != 1)}.", cure=f"Name 2 to {MOST_RUNS} run folders."
        )
    places = [run.path.resolve() for run in runs]
    twice = next((run.path for run in runs if places.count(run.path.resolve()) > 1), None)
    if twice is not None:
        raise SettingsError(f"{twice} is named twice.", cure="Name each run once.")


def _settings(run: Run) -> dict[str, Any]:
    return {name: value for name, value in run.settings.to_dict().items() if name != "output"}


def _circumstances(run: Run) -> dict[str, Any]:
    known = {name: run.provenance.get(name) for name in CIRCUMSTANCES}
    return known | {f"{name} version": version for name, version in run.provenance["versions"].items()}


def _differences(each: list[dict[str, Any]]) -> dict[str, list[Any]]:
    names = dict.fromkeys(name for one in each for name in one)
    values = {name: [one.get(name) for one in each] for name in names}
    return {name: row for name, row in values.items() if any(value != row[0] for value in row)}


def _columns(runs: Sequence[Run], names: tuple[str, ...]) -> dict[str, list[Any]]:
    return {name: [run.result[name] for run in runs] for name in names}


def _test(runs: Sequence[Run], letters: str, places: Settings, display: Display) -> list[dict[str, Any]]:
    """McNemar's test for every pair, corrected by Holm's method."""
    all_right = dict(zip(letters, (predicted.correct for predicted in _predictions(runs, places, display)), strict=True))
    pairs: list[dict[str, Any]] = []
    for first, second in itertools.combinations(letters, 2):
        only_first = int((all_right[first] & ~all_right[second]).sum())
        only_second = int((all_right[second] & ~all_right[first]).sum())
        pairs.append(
            {
                "first": first,
                "second": second,
                "images": len(all_right[first]),
                "only_first": only_first,
                "only_second": only_second,
                "p": significance.mcnemar(only_first, only_second),
            }
        )
    corrected = significance.holm([pair["p"] for pair in pairs])
    return [
        {**pair, "p_corrected": p, "more_than_chance": p < significance.LEVEL} for pair, p in zip(pairs, corrected, strict=True)
    ]


def _predictions(runs: Sequence[Run], places: Settings, display: Display) -> list[Predictions]:
    """Of all runs, for the same images.

    Raises:
        DataError: there are no such images.
    """
    from unikeras.data.dataset import Dataset

    first = runs[0]
    for other in runs[1:]:
        if other.provenance["data_hash"] != first.provenance["data_hash"]:
            raise DataError(
                f"{first.path} and {other.path} were trained on different data, so their accuracies are not of the same images.",
                cure="Leave out --test, or compare runs of one dataset, prepared with one --image-size.",
            )
    settings = dataclasses.replace(
        first.settings,
        data_dir=places.data_dir or first.settings.data_dir,
        cache_dir=places.cache_dir or first.settings.cache_dir,
    )
    dataset = commands.prepare(commands.request_of(settings), display)
    if Dataset.open(dataset).data_hash != first.provenance["data_hash"]:
        raise DataError(
            f"The dataset {settings.dataset} has changed since {first.path} was trained.",
            cure="Bring the old data back, or train the runs again.",
        )
    predicted = [commands.test_predictions(run, dataset, display) for run in runs]
    for run, one in zip(runs, predicted, strict=True):
        if one.labels.tolist() != predicted[0].labels.tolist():
            path = run.path / PREDICTIONS
            raise RunError(f"{path} is not for the test images of {first.path}.", cure="Remove the file; it is made again.")
    return predicted
