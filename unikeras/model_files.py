"""Model files: how a name becomes a file, and a file a model.

A model is a Python file with `build(input_shape, num_classes)` that returns a `keras.Model`. Beside `cnn.py` may stand
`cnn_torch.py` and `cnn_tensorflow.py`: the same network for one framework alone, as an `nn.Module` or a `tf.Module`. The rule is
the same for bundled models and for a user's own file.
"""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from unikeras.errors import ModelError, nearest
from unikeras.files import sha256

BUNDLED = Path(__file__).parent / "models"
NATIVE_CLASSES = {"torch": "torch.nn.Module", "tensorflow": "tf.Module"}  # for messages


def bundled_names() -> list[str]:
    """Names of the models that come with unikeras."""
    stems = {path.stem for path in BUNDLED.glob("[!_]*.py")}
    return sorted(stem.replace("_", "-") for stem in stems if stem.rpartition("_")[0] not in stems)  # siblings are no models


def locate(model: str) -> Path:
    """The Keras file of a model that is given by its name or its file.

    Raises:
        ModelError: there is no such model or file.
    """
    if not model.endswith(".py"):
        if model not in bundled_names():
            raise ModelError(f"Unknown model {model!r}.", cure=nearest(model, bundled_names()) + " Or a path that ends in .py.")
        return BUNDLED / f"{model.replace('-', '_')}.py"
    path = Path(model).expanduser().resolve()
    if not path.is_file():
        raise ModelError(f"There is no model file {path}.", cure="Write one with build(input_shape, num_classes) -> keras.Model.")
    return path


def native_path(keras_file: Path, framework: str) -> Path:
    """Where the same model for `framework` alone has to be, beside `keras_file`."""
    return keras_file.with_name(f"{keras_file.stem}_{framework}.py")


def native_sibling(keras_file: Path, framework: str) -> Path:
    """The file beside `keras_file` that holds the same model for `framework` alone.

    Raises:
        ModelError: it is missing.
    """
    path = native_path(keras_file, framework)
    if not path.is_file():
        returned = NATIVE_CLASSES.get(framework, "the model")
        raise ModelError(
            f"The native-{framework} backend needs {path.name} beside {keras_file}, and there is none.",
            cure=f"Write it with build(input_shape, num_classes) -> {returned}, the same network with the same layer names; "
            f"or use --backend {framework}, which runs {keras_file.name} itself.",
        )
    return path


def framework_file(keras_file: Path, framework: str, uses_keras: bool) -> Path:
    """The file that a backend runs: the Keras file itself, or its native sibling."""
    return keras_file if uses_keras else native_sibling(keras_file, framework)


def fingerprint(path: Path) -> str:
    """SHA-256 of a model file, so that a run can tell when it has been changed since."""
    return sha256(path)


def describe(path: Path) -> str:
    """First sentence of a model file's docstring, read without running it."""
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return docstring.partition("\n")[0]


def load(path: Path) -> ModuleType:
    """Runs a model file, which the user named, and returns it as a module.

    Raises:
        ModelError: it can't be run or defines no `build`.
    """
    spec = importlib.util.spec_from_file_location(f"unikeras_model_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # classes look their module up there, when Keras saves them for example
    if path.parent != BUNDLED:
        sys.path.insert(0, str(path.parent))  # a user's file may import its neighbours
    loader = spec.loader
    run_user_code(path, "can't be run", lambda: loader.exec_module(module))
    if not callable(getattr(module, "build", None)):
        raise ModelError(f"{path} defines no function build.", cure="Define build(input_shape, num_classes).")
    return module


def build(module: ModuleType, input_shape: tuple[int, ...], num_classes: int) -> Any:
    """What the file's `build` returns for inputs of `input_shape`, the batch axis left out.

    Raises:
        ModelError: `build` raised something.
    """
    assert module.__file__ is not None
    shape = "×".join(map(str, input_shape))
    what = f"could not build a model for inputs of {shape} and {num_classes} classes"
    return run_user_code(Path(module.__file__), what, lambda: module.build(input_shape, num_classes), RESHAPE)


RESHAPE = " If the images don't suit the model, --image-size resizes them."


def run_user_code(path: Path, what: str, code: Callable[[], Any], advice: str = "") -> Any:
    """Result of `code`, which comes from the file `path`.

    Raises:
        ModelError: naming the line of the file and the exception, which can be of any kind.
    """
    try:
        return code()
    except Exception as error:  # the user's code may raise anything, and the message has to name its line
        raise ModelError(
            f"{path}{_line_in(path, error)} {what}: {type(error).__name__}: {_reason(error)}",
            cure=f"Correct the file.{advice}",
            details=traceback.format_exc(),
        ) from error


def _reason(error: Exception) -> str:
    """An exception's message in one line, without colours and without the arguments that Keras adds to it."""
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text).partition("Arguments received by")[0]
    return " ".join(plain.split())[:400]


def _line_in(path: Path, error: Exception) -> str:
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f", line {error.lineno},"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return f", line {lines[-1]}," if lines else ""
