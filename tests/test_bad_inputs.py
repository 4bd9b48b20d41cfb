"""Every row of the catalogue of bad inputs: its message, its exit code, and no damage done."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from bad_inputs import ARRAYS, CONFIGS, IMAGES, MODELS, OPTIONS, RUNS, Bad, BadModel
from support import MODEL_FILES, unikeras
from trainings import TrainingsOn

from unikeras import run

BACKENDS = {"keras": ("tensorflow", "torch"), "torch": ("native-torch",), "tensorflow": ("native-tensorflow",)}


def files(folder: Path) -> dict[str, bytes | None]:
    """What lies in a folder; the lock shows only who was there."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
        if path.name not in (run.LOCK, run.LOG)
    }


def require(bad: Bad, folder: Path) -> None:
    """Runs a row in its folder, and compares."""
    bad.make(folder)
    before = files(folder)
    words = [word.replace("‿", " ") for word in bad.arguments.split()]
    if bad.code and words[0] in ("train", "resume", "evaluate", "predict"):
        words.append("--json")  # nothing but JSON on standard output: so there must be nothing
    answer = unikeras(*words, cwd=folder, TFDS_DATA_DIR=str(folder / "tfds"), COLUMNS="400")
    assert answer.code == bad.code, answer
    assert bad.message in (answer.out if bad.code == 0 else answer.err), answer
    assert bad.cure in answer.err, answer
    assert "Traceback" not in answer.out + answer.err
    if bad.code:
        assert answer.out == ""
        assert files(folder) == before, "nothing is written, removed or changed"


@pytest.fixture(scope="module")
def finished(trainings_on: TrainingsOn, tmp_path_factory: pytest.TempPathFactory) -> Path:
    trainings = trainings_on("native-torch")
    folder = tmp_path_factory.mktemp("finished") / "run"
    trainings.finish(folder, trainings.settings(model="mlp", dataset="random:8x8x3:3:40", epochs=2))
    return folder


def test_the_catalogue_is_large_and_no_row_is_there_twice() -> None:
    rows = [*OPTIONS, *CONFIGS, *ARRAYS, *IMAGES, *RUNS]
    assert len({(row.name, row.arguments) for row in rows}) == len(rows)
    assert len([row for row in rows if row.code]) >= 60


@pytest.mark.parametrize("bad", [*OPTIONS, *CONFIGS, *ARRAYS, *IMAGES], ids=lambda bad: bad.name)
def test_a_bad_input_is_one_message_with_its_cure(bad: Bad, tmp_path: Path) -> None:
    require(bad, tmp_path)


@pytest.mark.parametrize("bad", RUNS, ids=lambda bad: bad.name)
def test_a_bad_run_folder_is_one_message_with_its_cure(bad: Bad, finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished, tmp_path / "run")
    require(bad, tmp_path)


@pytest.mark.parametrize(
    ("bad", "name"),
    [(bad, name) for bad in MODELS for name in BACKENDS[bad.kind]],
    ids=lambda value: value if isinstance(value, str) else f"{value.kind} {value.name}",
)
def test_a_bad_model_file_is_one_message_with_its_line(
    bad: BadModel, name: str, trainings_on: TrainingsOn, backend_names: list[str], tmp_path: Path
) -> None:
    if name not in backend_names:
        pytest.skip(f"{name} is not tested")
    suffix = "" if bad.kind == "keras" else f"_{bad.kind}"
    for path in MODEL_FILES.glob("dropout*.py"):
        shutil.copy(path, tmp_path / path.name.replace("dropout", "model"))
    file = tmp_path / f"model{suffix}.py"
    file.write_text(bad.text)
    trainings = trainings_on(name)
    settings = trainings.settings(model=tmp_path / "model.py", dataset="random:8x8x1:3:20", epochs=1)
    ended = trainings.train(tmp_path / "run", settings)
    assert ended.error is not None
    assert ended.error.exit_code == 2, ended.error
    assert bad.message in ended.error.message
    assert ended.error.cure
    assert file.stem in ended.error.message or "Several parameters" in bad.message or "initialiser" in bad.message
    assert list((tmp_path / "run").iterdir()) == []


def test_a_run_that_never_started_leaves_no_folder(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text("x = 1\n")
    shutil.copy(MODEL_FILES / "dropout_torch.py", tmp_path / "model_torch.py")
    (tmp_path / "model_torch.py").write_text("x = 1\n")
    options = ("--model", tmp_path / "model.py", "--dataset", "random:8x8x1:3:20", "--json", "--output", tmp_path / "run")
    answer = unikeras("train", "--backend", "native-torch", *options)
    assert answer.code == 2, answer
    assert "defines no function build" in answer.err
    assert answer.out == ""
    assert not (tmp_path / "run").exists()
