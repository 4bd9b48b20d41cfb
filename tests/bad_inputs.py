"""The catalogue of bad inputs: what is given to the command line, and what it must say and how it must end.

Rows of exit code 0 look odd and are allowed. `test_bad_inputs.py` runs them all. Wrong values that only one function can
see are tested beside it: settings in test_settings.py, arrays in data/test_npz.py, folders in data/test_folder.py.
"""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

Make = Callable[[Path], object]


@dataclasses.dataclass(frozen=True)
class Bad:
    """An input.

    Attributes:
        name: What is wrong with it.
        arguments: Of the command line, in words; it runs in the folder where `make` has made the files.
        message: Part of what it says.
        cure: Part of the advice.
        make: Makes the files in a folder; where the row is about a run, that folder holds `run`, a finished one.
    """

    name: str
    arguments: str
    message: str
    cure: str
    make: Make = lambda folder: None
    code: int = 2


# --- options, names and places -------------------------------------------------------------------------------------------

OPTIONS = [
    Bad("misspelt command", "trian", "Unknown command 'trian'", "Did you mean train?"),
    Bad("misspelt subcommand", "data lst", "Unknown command 'lst'", "Did you mean list?"),
    Bad("misspelt option", "train --epoch 3", "No such option '--epoch'", "--epochs"),
    Bad("zero epochs", "train --epochs 0", "--epochs can't be '0'", "a whole number ≥ 1"),
    Bad("negative epochs", "train --epochs -1", "--epochs can't be '-1'", "≥ 1"),
    Bad("no batch", "train --batch-size 0", "--batch-size can't be '0'", "≥ 1"),
    Bad("half a batch", "train --batch-size 2.5", "--batch-size can't be '2.5'", "a whole number"),
    Bad("no learning rate", "train --learning-rate 0", "--learning-rate can't be '0'", "a number > 0"),
    Bad("learning rate nan", "train --learning-rate nan", "--learning-rate can't be 'nan'", "a number > 0"),
    Bad("no gradient left", "train --clip-norm 0", "--clip-norm can't be '0'", "or leave it out"),
    Bad("all smoothed", "train --label-smoothing 1", "--label-smoothing can't be '1'", "< 1"),
    Bad("negative seed", "train --seed -1", "--seed can't be '-1'", "≥ 0"),
    Bad("no thread", "train --threads 0", "--threads can't be '0'", "≥ 1"),
    Bad("negative warm-up", "train --warmup-steps -5", "--warmup-steps can't be '-5'", "≥ 0"),
    Bad("negative decay", "train --weight-decay -0.1", "--weight-decay can't be '-0.1'", "≥ 0"),
    Bad("no patience", "train --early-stopping 0", "--early-stopping can't be '0'", "≥ 1"),
    Bad("negative restarts", "train --max-restarts -1", "--max-restarts can't be '-1'", "≥ 0"),
    Bad("unknown answer to nan", "train --on-nan ignore", "--on-nan can't be 'ignore'", "stop, skip, rollback"),
    Bad("unknown interval", "train --checkpoint-every 1hour", "--checkpoint-every can't be '1hour'", "500steps"),
    Bad("interval of zero", "train --checkpoint-every 0s", "--checkpoint-every can't be '0s'", "30s"),
    Bad("no class named", "predict run x.png --top 0", "Invalid value for '--top'", "x>=1"),
    Bad("unknown backend", "train --backend troch", "Unknown backend 'troch'", "Did you mean torch"),
    Bad("a backend twice", "train --backend torch,torch", "A backend is named twice in 'torch,torch'", "Name each once"),
    Bad("unknown model", "train --model cn", "Unknown model 'cn'", "Did you mean cnn?"),
    Bad("missing model file", "train --model gone.py", "There is no model file", "build(input_shape, num_classes)"),
    Bad("model in a home of nobody", "train --model ~nobody-here/m.py", "--model can't be '~nobody-here/m.py'", "Give a path"),
    Bad("dataset in a home of nobody", "train --dataset ~nobody-here/d", "--dataset can't be '~nobody-here/d'", "Give a path"),
    Bad("unknown dataset", "train --dataset digit", "Unknown dataset 'digit'", "Did you mean digits?"),
    Bad("dataset that is elsewhere", "train --dataset mnist", "looked in", "unikeras data prepare mnist --download"),
    Bad("missing npz", "train --dataset gone.npz", "gone.npz can't be read", "Check the path"),
    Bad("size of zero", "train --dataset random:4x4x1:3:20 --image-size 0", "Image size '0'", "64"),
    Bad("size for arrays", "train --dataset random:8x8x1:3:20 --image-size 64", "Image size '64' can't be used", "Leave it out"),
    Bad("random without classes", "train --dataset random:8x8", "random:8x8", "random:SHAPE:CLASSES:COUNT"),
    Bad("missing configuration", "train --config gone.yaml", "gone.yaml can't be read: No such file", "Check the path"),
    Bad("missing run to resume", "resume gone", "gone holds no run", "unikeras train"),
    Bad("folder that is no run", "resume . --epochs 3", "holds no run", "unikeras train"),
    Bad("missing folder of runs", "runs gone", "There is no folder gone", "runs/"),
    Bad("missing run to evaluate", "evaluate gone", "There is no run folder gone", "unikeras train"),
    Bad("no run to evaluate", "evaluate .", "holds no run", "unikeras train"),
    Bad("missing run to predict with", "predict gone x.png", "There is no run folder gone", "unikeras train"),
    Bad("unknown dataset to describe", "data info digts", "Unknown dataset 'digts'", "Did you mean digits?"),
    Bad("unknown model to describe", "models summary resnet", "Unknown model 'resnet'", "resnet8"),
    Bad("unfinished shape", "models summary cnn --input-shape 3x", "--input-shape can't be '3x'", "32x32x3"),
]


def config(text: str) -> Make:
    return lambda folder: (folder / "c.yaml").write_text(text)


CONFIGS = [
    Bad("a list", "train --config c.yaml", "c.yaml holds a list", "`name: value`", config("- 1\n")),
    Bad(
        "broken YAML",
        "train --config c.yaml",
        "c.yaml is not valid YAML: line 2, column 1: expected",
        "`name: value`",
        config("epochs: [1\n"),
    ),
    Bad("a day that is none", "train --config c.yaml", "c.yaml is not valid YAML", "`name: value`", config("seed: 2026-99-99\n")),
    Bad("code", "train --config c.yaml", "c.yaml is not valid YAML", "`name: value`", config("seed: !!python/name:os.system\n")),
    Bad("unknown name", "train --config c.yaml", "Unknown setting epoch in c.yaml", "Did you mean epochs?", config("epoch: 1\n")),
    Bad("wrong value", "train --config c.yaml", "epochs in c.yaml can't be 'no'", "a whole number ≥ 1", config("epochs: 'no'\n")),
]

# --- arrays --------------------------------------------------------------------------------------------------------------

TRAIN_NPZ = "train --dataset data.npz --output run"


def npz(**changes: Any) -> Make:
    """A good file, but for these arrays; a function changes the good one, None leaves it out."""

    def make(folder: Path) -> None:
        images = np.random.default_rng(0).random((20, 4, 4, 1), dtype=np.float32)
        arrays: dict[str, Any] = {
            "x_train": images,
            "y_train": np.arange(20) % 3,
            "x_test": images[:6],
            "y_test": np.arange(6) % 3,
        }
        for key, change in changes.items():
            arrays[key] = change(arrays[key]) if callable(change) else change
        np.savez(folder / "data.npz", **{key: array for key, array in arrays.items() if array is not None})

    return make


def put(index: Any, value: Any, dtype: type | None = None) -> Callable[[np.ndarray], np.ndarray]:
    def change(array: np.ndarray) -> np.ndarray:
        array = array.astype(dtype or array.dtype)
        array[index] = value
        return array

    return change


def names(labels: np.ndarray) -> np.ndarray:
    return np.array(["cat", "dog", "emu"])[labels]


def cut_archive(folder: Path) -> None:
    npz()(folder)
    path = folder / "data.npz"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def oversized_header(folder: Path) -> None:
    """A file of some bytes that claims to hold an array of 8 exabytes."""
    npz()(folder)
    path = folder / "data.npz"
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    good = members["x_train.npy"]
    claim = good[10 : 10 + good[8]].replace(b"(20, 4, 4, 1)", b"(20, 1000000000, 1000000000, 1)").rstrip() + b"\n"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            if name.startswith("x_"):
                header = claim.replace(b"(20,", b"(6,") if name == "x_test.npy" else claim
                content = good[:8] + len(header).to_bytes(2, "little") + header + bytes(64)
            archive.writestr(name, content)


ARRAYS = [
    Bad("label out of range", TRAIN_NPZ, "data.npz: Label 3 of test sample 4 is out of range", "0 to 2", npz(y_test=put(4, 3))),
    Bad(
        "label that leaves a gap",
        TRAIN_NPZ,
        "data.npz: Label 7 at y_train[5] leaves a gap",
        "numpy.unique",
        npz(y_train=put(5, 7)),
    ),
    Bad(
        "negative label",
        TRAIN_NPZ,
        "data.npz: Label -1 at y_train[5] is no class",
        "whole numbers from 0",
        npz(y_train=put(5, -1)),
    ),
    Bad("label between two", TRAIN_NPZ, "data.npz: Label 1.5 at y_train[5]", "whole numbers", npz(y_train=put(5, 1.5, float))),
    Bad(
        "one-hot labels",
        TRAIN_NPZ,
        "data.npz: x_train has 20 samples but y_train has shape (20, 3)",
        "argmax(axis=1)",
        npz(y_train=lambda y: np.eye(3)[y]),
    ),
    Bad("labels as texts", TRAIN_NPZ, "y_train of", "numpy.unique(y, return_inverse=True)[1]", npz(y_train=names)),
    Bad("pixel nan", TRAIN_NPZ, "data.npz: train sample 7 contains nan", "not finite", npz(x_train=put((7, 1, 1), np.nan))),
    Bad("pixel inf", TRAIN_NPZ, "test sample 2 contains -inf", "not finite", npz(x_test=put((2, 1, 1), -np.inf))),
    Bad(
        "no training sample",
        TRAIN_NPZ,
        "has no training samples",
        "At least 1",
        npz(x_train=lambda x: x[:0], y_train=lambda y: y[:0]),
    ),
    Bad("no test sample", TRAIN_NPZ, "no test samples", "At least 1", npz(x_test=lambda x: x[:0], y_test=lambda y: y[:0])),
    Bad("one class", TRAIN_NPZ, "has 1 class", "at least 2", npz(y_train=np.zeros_like)),
    Bad("missing key", TRAIN_NPZ, "has no array 'y_test'", "In the file: x_test", npz(y_test=None)),
    Bad(
        "pickled objects",
        TRAIN_NPZ,
        "Python objects, which are never unpickled",
        "integers",
        npz(x_train=lambda x: x.astype(object)),
    ),
    Bad("complex pixels", TRAIN_NPZ, "type complex64", "integers, floats", npz(x_train=lambda x: x.astype(np.complex64))),
    Bad(
        "mismatched lengths",
        TRAIN_NPZ,
        "has 20 samples but y_train has shape (19,)",
        "shape (20,)",
        npz(y_train=lambda y: y[:-1]),
    ),
    Bad("other shapes to test", TRAIN_NPZ, "x_test of shape (3, 4, 1)", "same shape and type", npz(x_test=lambda x: x[:, :3])),
    Bad("an array of exabytes", TRAIN_NPZ, "x_train of", "ends too early", oversized_header),
    Bad("half an archive", TRAIN_NPZ, "data.npz can't be read: File is not a zip file", "numpy.savez", cut_archive),
    Bad("text called npz", TRAIN_NPZ, "File is not a zip file", "numpy.savez", lambda f: (f / "data.npz").write_text("x_train")),
    Bad(
        "augmenting what is no image",
        "train --model mlp --dataset random:8:3:20 --augment flip --output run --backend native-torch",
        "Augmentation 'flip' needs images",
        "augmentation none",
    ),
    Bad(
        "values of one kind only, few samples",
        "data prepare data.npz",
        "is prepared in",
        "",
        npz(x_train=lambda x: x[:2] * 0, y_train=lambda y: y[:2], x_test=lambda x: x[:1], y_test=lambda y: y[:1]),
        code=0,
    ),
]

# --- images --------------------------------------------------------------------------------------------------------------

TRAIN_FOLDER = "train --dataset ./images --output run"
PREPARE_FOLDER = "data prepare ./images"


def picture(path: Path, value: int = 0, size: tuple[int, int] = (8, 6), mode: str = "L", kind: str | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, value if mode == "L" else (value, 0, 0)).save(path, format=kind)


def images(change: Make = lambda root: None, root: str = "images", classes: tuple[str, ...] = ("cat", "dog")) -> Make:
    """A good folder of two classes with ten images each, then changed."""

    def make(folder: Path) -> None:
        for name in classes:
            for index in range(10):
                picture(folder / root / name / f"{index}.png", 20 * index)
        change(folder / root)

    return make


def truncated(root: Path) -> None:
    path = root / "dog" / "bad.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (6, 8), dtype=np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:60])


def bomb(root: Path) -> None:
    """Some kilobytes that unpack to 100 million pixels."""
    Image.new("1", (10000, 10000)).save(root / "dog" / "bad.png")


def lone(root: Path) -> None:
    for path in root.glob("*/[1-9].png"):
        path.unlink()


def emptied(root: Path) -> None:
    shutil.rmtree(root)
    root.mkdir()


IMAGES = [
    Bad("empty folder", TRAIN_FOLDER, "has no subfolders", "a subfolder of images per class", images(emptied)),
    Bad("one class", TRAIN_FOLDER, "needs at least 2 classes", "per class", images(lambda r: shutil.rmtree(r / "dog"))),
    Bad(
        "class without images",
        TRAIN_FOLDER,
        "images/emu has no images",
        "remove the folder",
        images(lambda r: (r / "emu").mkdir()),
    ),
    Bad("one image per class", TRAIN_FOLDER, "has no test samples", "At least 1 training and 1 test sample", images(lone)),
    Bad(
        "mixed sizes",
        TRAIN_FOLDER,
        "Images differ in size",
        "--image-size 6x8",
        images(lambda r: picture(r / "dog/b.png", 9, (9, 9))),
    ),
    Bad("truncated image", TRAIN_FOLDER, "dog/bad.png can't be read", "Replace or remove", images(truncated)),
    Bad("zero-byte image", TRAIN_FOLDER, "dog/bad.png is not an image", "remove", images(lambda r: (r / "dog/bad.png").touch())),
    Bad(
        "text called png",
        TRAIN_FOLDER,
        "bad.png is not an image",
        "PNG, JPEG",
        images(lambda r: (r / "cat/bad.png").write_text("hi")),
    ),
    Bad("decompression bomb", TRAIN_FOLDER, "dog/bad.png is too large", "Make it smaller", images(bomb)),
    Bad(
        "link to nowhere",
        TRAIN_FOLDER,
        "cat/l.png can't be read: No such file",
        "Remove",
        images(lambda r: (r / "cat/l.png").symlink_to("gone")),
    ),
    Bad(
        "link to itself",
        TRAIN_FOLDER,
        "Too many levels of symbolic links",
        "Remove",
        images(lambda r: (r / "cat/l.png").symlink_to("l.png")),
    ),
    Bad(
        "class that links to itself",
        TRAIN_FOLDER,
        "Too many levels of symbolic links",
        "Remove",
        images(lambda r: (r / "emu").symlink_to("emu")),
    ),
    Bad(
        "class that holds its own folder",
        TRAIN_FOLDER,
        "images/loop is a link to a folder that holds it",
        "Remove the link",
        images(lambda r: (r / "loop").symlink_to(r)),
    ),
    Bad(
        "link up inside a class", PREPARE_FOLDER, "is prepared in", "", images(lambda r: (r / "cat" / "up").symlink_to(r)), code=0
    ),
    Bad(
        "mixed colour modes",
        PREPARE_FOLDER,
        "is prepared in",
        "",
        images(lambda r: picture(r / "cat/x.png", 9, mode="RGB")),
        code=0,
    ),
    Bad(
        "a PNG called jpg",
        PREPARE_FOLDER,
        "is prepared in",
        "",
        images(lambda r: picture(r / "cat/x.jpg", 9, kind="PNG")),
        code=0,
    ),
    Bad(
        "spaces and Unicode, and a batch larger than all images",
        "train --backend native-torch --model mlp --epochs 1 --batch-size 1000 --dataset ./my‿images/日本_ß --output ./a‿run/é",
        "run: a run/é",
        "",
        images(root="my images/日本_ß", classes=("kočka 1", "пёс")),
        code=0,
    ),
]

# --- run folders ---------------------------------------------------------------------------------------------------------


def edit(name: str, change: Callable[[str], str]) -> Make:
    """A file of the run, its text changed."""

    def make(folder: Path) -> None:
        path = folder / "run" / name
        path.write_text(change(path.read_text()))

    return make


def fields(name: str, **changes: Any) -> Make:
    """A JSON file of the run, with other values; None takes a key away."""

    def change(text: str) -> str:
        content = {**json.loads(text), **changes}
        return json.dumps({key: value for key, value in content.items() if value is not None})

    return edit(name, change)


def without(*names: str) -> Make:
    def make(folder: Path) -> None:
        for name in names:
            (folder / "run" / name).unlink()

    return make


def both(*makes: Make) -> Make:
    def make(folder: Path) -> None:
        for one in makes:
            one(folder)

    return make


def foreign_weights(folder: Path) -> None:
    from safetensors.numpy import save_file

    save_file({"other/kernel": np.zeros((3, 3), np.float32)}, folder / "run" / "weights.safetensors")


def bit_flip(folder: Path) -> None:
    """In the last value, where it is still a safetensors file."""
    path = folder / "run" / "weights.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def broken_checkpoints(folder: Path) -> None:
    for path in (folder / "run" / "checkpoints").glob("*/weights.safetensors"):
        path.write_bytes(path.read_bytes()[:-1])


NEWER = fields("run.json", format=2, versions={"unikeras": "9.0.0"})
UNKNOWN = both(edit("config.yaml", lambda text: text + "precision: 3\n"), fields("run.json", versions={"unikeras": "9.0.0"}))
GARBAGE = "\x00{"

RUNS = [
    *(
        Bad(f"newer format: {command}", f"{command} run{rest}", "is of format 2", "pip install unikeras==9.0.0", NEWER)
        for command, rest in (
            ("resume", ""),
            ("evaluate", ""),
            ("predict", " x.png"),
            ("train --dataset random:8x8x3:3:40 --output", ""),
        )
    ),
    *(
        Bad(
            f"unknown setting: {command}",
            f"{command} run",
            "settings that are unknown here: precision",
            "unikeras==9.0.0",
            UNKNOWN,
        )
        for command in ("resume", "evaluate")
    ),
    Bad("newer run among others", "runs .", "?", "", UNKNOWN, code=0),
    Bad(
        "configuration cut short",
        "resume run",
        "config.yaml is damaged: it lacks",
        "Restore",
        edit("config.yaml", lambda t: t[:60]),
    ),
    Bad(
        "configuration of garbage",
        "evaluate run",
        "config.yaml is not valid YAML",
        "Restore",
        edit("config.yaml", lambda t: GARBAGE),
    ),
    Bad(
        "configuration of nothing",
        "resume run",
        "config.yaml is damaged: it holds no settings",
        "Restore",
        edit("config.yaml", lambda t: ""),
    ),
    Bad(
        "wrong value in it", "resume run", "epochs in", "≥ 1", edit("config.yaml", lambda t: re.sub("epochs: .*", "epochs: x", t))
    ),
    Bad("damaged among others", "runs .", "?", "", edit("config.yaml", lambda t: GARBAGE), code=0),
    Bad("damaged last row", "runs .", "finished", "", edit("metrics.jsonl", lambda t: t + "5\n"), code=0),
    Bad(
        "run.json of garbage",
        "evaluate run",
        "run.json is damaged: it is no JSON",
        "Restore",
        edit("run.json", lambda t: GARBAGE),
    ),
    Bad(
        "run.json that lacks a key",
        "predict run x.png",
        "run.json is damaged: inputs is missing",
        "Restore",
        fields("run.json", inputs=None),
    ),
    Bad(
        "run.json of another kind",
        "resume run",
        "run.json is damaged: it is 5 and no object",
        "Restore",
        edit("run.json", lambda t: "5"),
    ),
    Bad("no run.json", "evaluate run", "run.json can't be read: No such file", "Restore", without("run.json")),
    Bad(
        "result of garbage",
        "evaluate run",
        "result.json is damaged: it is no JSON",
        "Restore",
        edit("result.json", lambda t: GARBAGE),
    ),
    Bad(
        "result without accuracy", "resume run", "test_accuracy is missing", "Restore", fields("result.json", test_accuracy=None)
    ),
    Bad(
        "unfinished run to evaluate",
        "evaluate run",
        "did not finish: it has no result.json",
        "unikeras resume run",
        without("result.json"),
    ),
    Bad("several backends at once", "resume run --backend all", "One backend is needed here", "Allowed: tensorflow"),
    Bad("fewer epochs", "resume run --epochs 1", "is to have 2 epochs, and --epochs is 1", "Allowed: 2 or more"),
    Bad(
        "another seed",
        "train --config run/config.yaml --seed 5 --output run",
        "was started with --seed 0, not 5",
        "unikeras resume run",
    ),
    Bad("missing image", "predict run gone.png", "Image gone.png does not exist", "Check the path"),
    Bad(
        "text as image", "predict run x.png", "x.png is not an image", "PNG, JPEG", lambda f: (f / "x.png").write_text("no image")
    ),
    Bad(
        "array of another shape",
        "predict run x.npy",
        "samples of shape 2×2",
        "8×8×3",
        lambda f: np.save(f / "x.npy", np.zeros((5, 2, 2))),
    ),
    Bad(
        "pickled array", "predict run x.npy", "x.npy can't be read", "numpy.save", lambda f: np.save(f / "x.npy", np.array([{}]))
    ),
    Bad(
        "missing weights", "evaluate run", "weights.safetensors is missing", "train the run again", without("weights.safetensors")
    ),
    Bad(
        "truncated weights",
        "evaluate run",
        "weights.safetensors can't be read",
        "train the run again",
        lambda f: (f / "run/weights.safetensors").write_bytes((f / "run/weights.safetensors").read_bytes()[:100]),
    ),
    Bad("weights of another model", "evaluate run", "is not the file that the run ended with", "Restore", foreign_weights),
    Bad("a weight that has changed", "export run --format torch", "is not the file that the run ended with", "Restore", bit_flip),
    Bad(
        "more epochs from changed rows",
        "resume run --epochs 3",
        "the rows in metrics.jsonl that were written before it have been changed",
        "train again with another --output",
        edit("metrics.jsonl", lambda t: t.replace("loss", "l0ss")),
    ),
    Bad(
        "more epochs without a good checkpoint",
        "resume run --epochs 3",
        "No checkpoint in",
        "train again with another --output",
        broken_checkpoints,
    ),
]

# --- model files ---------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class BadModel:
    """A model file, or the sibling that a native backend runs, and what its backends say of it.

    Attributes:
        kind: `keras`, `torch` or `tensorflow`: whose file it is.
    """

    name: str
    kind: str
    text: str
    message: str


HEADS = {"keras": "import keras", "torch": "from torch import nn", "tensorflow": "import tensorflow as tf"}
BUILD = "def build(input_shape, num_classes):\n"
EVERY_KIND = [
    ("syntax error", "def build(shape, classes)\n    pass\n", "line 1, can't be run: SyntaxError"),
    ("missing import", "import not_there\n", "line 1, can't be run: ModuleNotFoundError: No module named 'not_there'"),
    ("no build", "x = 1\n", "defines no function build"),
    ("build of no use", "build = 3\n", "defines no function build"),
    ("build that raises", f"{BUILD}    return 1 / 0\n", "line 2, could not build a model"),
    ("build without arguments", "def build():\n    pass\n", "takes 0 positional arguments but 2 were given"),
    ("no model", f"{BUILD}    return 3\n", "returned an object of type int"),
    ("nothing returned", f"{BUILD}    pass\n", "returned an object of type NoneType"),
]
MODELS = [
    *(BadModel(name, kind, text, message) for kind in HEADS for name, text, message in EVERY_KIND),
    BadModel(
        "wrong width",
        "keras",
        f"from keras import Input, Sequential, layers\n{BUILD}"
        "    return Sequential([Input(input_shape), layers.Flatten(), layers.Dense(7)])\n",
        "outputs of shape (2, 7) where the data have 3 classes",
    ),
    BadModel(
        "no head",
        "keras",
        f"import keras\n{BUILD}    return keras.Sequential([keras.Input(input_shape), keras.layers.ReLU()])\n",
        "outputs of shape (2, 8, 8, 1) where the data have 3 classes",
    ),
    BadModel(
        "two layers of one name",
        "keras",
        "import keras\nclass M(keras.Model):\n"
        "    def __init__(self, n):\n        super().__init__()\n        self.flat = keras.layers.Flatten()\n"
        "        self.a = keras.layers.Dense(5, name='d')\n        self.b = keras.layers.Dense(n, name='d')\n"
        "    def call(self, x):\n        return self.b(self.a(self.flat(x)))\n"
        f"{BUILD}    return M(num_classes)\n",
        "Several parameters are called d/bias, d/kernel",
    ),
    BadModel(
        "wrong width",
        "torch",
        f"from torch import nn\n{BUILD}    return nn.Sequential(nn.Flatten(), nn.Linear(64, 7))\n",
        "outputs of shape (2, 7) where the data have 3 classes",
    ),
    BadModel(
        "wrong inputs",
        "torch",
        f"from torch import nn\n{BUILD}    return nn.Sequential(nn.Flatten(), nn.Linear(63, num_classes))\n",
        "failed on its first batch: RuntimeError",
    ),
    BadModel(
        "unknown initialiser",
        "torch",
        f"from torch import nn\ninitializers = {{'1/kernel': 'he'}}\n{BUILD}"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(64, 3))\n",
        "Unknown initialiser 'he' for 1/kernel",
    ),
    BadModel(
        "wrong width",
        "tensorflow",
        "import tensorflow as tf\nfrom unikeras.layers.tensorflow import Dense, flatten\nclass M(tf.Module):\n"
        "    def __init__(self):\n        self.d = Dense(64, 7)\n"
        "    def __call__(self, x, training):\n        return self.d(flatten(x))\n"
        f"{BUILD}    return M()\n",
        "outputs of shape (2, 7) where the data have 3 classes",
    ),
    BadModel(
        "not to be called",
        "tensorflow",
        f"import tensorflow as tf\n{BUILD}    return tf.Module()\n",
        "failed on its first batch: TypeError",
    ),
]
