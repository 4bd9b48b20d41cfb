"""`unikeras report`: gathers what run folders hold, what the runs predict and their test images, and writes the page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from unikeras import commands, run, run_list
from unikeras.errors import SettingsError, UnikerasError
from unikeras.progress import Display
from unikeras.reporting import files, results
from unikeras.run import Run

if TYPE_CHECKING:
    from unikeras.data.dataset import Dataset
    from unikeras.predictions import Predictions
    from unikeras.reporting.subject import Subject


def report(
    folders: Sequence[Path],
    output: Path,
    display: Display,
    *,
    check: Path | None = None,
    bench: Path | None = None,
    option: str = "--output",
) -> Path:
    """Writes the page of runs, and returns its path.

    Args:
        folders: Of runs, or that hold runs, such as the output of a training on several backends.
        check: Saved result of `unikeras check --json`.
        bench: Saved result of `unikeras bench --json`.
        option: How messages name the output.

    Raises:
        UnikerasError: there is no run, a file is damaged, or the page can't be written.
    """
    from unikeras.reporting import runs as page

    files.require_writable(output, option)
    check_result = results.read_check(check) if check else None
    bench_result = results.read_bench(bench) if bench else None
    files.write(page.render(gather(folders, display), check_result, bench_result), output, option)
    return output


def gather(folders: Sequence[Path], display: Display) -> list[Subject]:
    """The runs in folders, each once, in their order.

    Raises:
        UnikerasError: there is none, or one is damaged.
    """
    from unikeras.reporting.subject import name_runs

    found = {one.path.resolve(): one for folder in folders for one in _runs_in(folder)}
    if not found:
        raise SettingsError("No run is named.", cure="Give the folder that `unikeras train` printed.")
    runs = list(found.values())
    return [_subject(one, name, display) for one, name in zip(runs, name_runs(runs), strict=True)]


def _runs_in(folder: Path) -> list[Run]:
    """The run in a folder, or those in the folders inside it."""
    folder = folder.expanduser()
    inside = sorted(path.parent for path in folder.glob(f"*/{run.CONFIG}"))
    if not (folder / run.CONFIG).is_file() and inside:
        return [_run_in(one) for one in inside]
    return [_run_in(folder)]


def _run_in(folder: Path) -> Run:
    unfinished = (folder / run.CONFIG).is_file() and not (folder / run.RESULT).is_file()
    return Run(folder) if unfinished else run.load_run(folder)


def _subject(one: Run, name: str, display: Display) -> Subject:
    from unikeras.reporting.subject import Subject, require_rows

    state, is_finished = run_list.state_of(one.path), (one.path / run.RESULT).is_file()
    rows = one.metrics if is_finished else one.rows_so_far()
    require_rows(rows, one.path / run.METRICS)
    if not is_finished:
        known = one.provenance if (one.path / run.PROVENANCE).is_file() else {}
        why = "The run did not finish, so that there are no weights to predict with."
        return Subject(name, one, state, None, known, rows, no_predictions=why)
    found, no_pictures = _dataset(one, display)
    predictions, no_predictions = _predictions(one, found, no_pictures, display)
    dataset = found[1] if found else None
    return Subject(name, one, state, one.result, one.provenance, rows, predictions, dataset, no_predictions, no_pictures)


def _dataset(one: Run, display: Display) -> tuple[tuple[Path, Dataset] | None, str]:
    """The run's dataset with its folder, or why it can't be shown."""
    from unikeras.data.dataset import Dataset

    name = one.settings.dataset
    try:
        folder = commands.prepare(commands.request_of(one.settings), display)
        dataset = Dataset.open(folder)
    except UnikerasError as error:
        return None, f"The dataset {name} is no longer there, so that its images can't be shown. {error.message}"
    if dataset.data_hash != one.provenance["data_hash"]:
        return None, f"The dataset {name} has changed since the run was trained, so that its images are not shown."
    return (folder, dataset), ""


def _predictions(
    one: Run, dataset: tuple[Path, Dataset] | None, no_pictures: str, display: Display
) -> tuple[Predictions | None, str]:
    """What the run predicts, or why that is not known. Without the dataset, what was kept when it was there is as good."""
    from unikeras import predictions

    try:
        if dataset is None:
            kept = predictions.load(one, one.provenance["data_hash"])
            return kept, "" if kept else no_pictures
        return commands.test_predictions(one, dataset[0], display), ""
    except UnikerasError as error:
        return None, f"What the run predicts can't be computed. {error.message}"
