"""What `unikeras bench` is asked to do: which contestants race, and what is compared with what."""

from __future__ import annotations

import dataclasses
import shlex
from typing import Any

from unikeras import backends, model_files, packages
from unikeras.backends import BackendInfo
from unikeras.bench_contestant import Contestant
from unikeras.errors import ModelError, SettingsError, nearest
from unikeras.settings import Settings, as_option, validate

DATASET = "random:32x32x3:10:20480"  # as large as CIFAR-10's images; whole batches of up to 256 and of 8 steps at once
BATCH_SIZES = (64, 256)
ROUNDS = 15
SEEDS = 3
RIVALS = ("keras-fit", "hand", "lightning", "bare", "float32")  # docs/bench.md says what they are
SHOWN = ("model", "dataset", "optimizer", "learning_rate", "dtype", "threads", "seed", "normalize", "augment")
DEFAULT_RIVALS = ("keras-fit", "hand")


@dataclasses.dataclass(frozen=True)
class Request:
    """What to race.

    Attributes:
        settings: Model, dataset, optimiser, dtype and threads.
        contestants: In the order of the table; the last one is the first again, whose ratio to it is noise.
        pairs: Names of those whose speeds are divided: (contestant, rival).
        against: Names of the rivals that were asked for.
        limit: Whether the machine's limit is measured, too.
        to_accuracy: Test accuracy to train to, each contestant alone, instead of racing; None for races.
        seeds: Trainings of each contestant then.
        most_epochs: Of a training that does not get there.
    """

    settings: Settings
    batch_sizes: tuple[int, ...]
    rounds: int
    contestants: tuple[Contestant, ...]
    pairs: tuple[tuple[str, str], ...]
    against: tuple[str, ...] = ()
    limit: bool = False
    to_accuracy: float | None = None
    seeds: int = SEEDS
    most_epochs: int = Settings.epochs

    @property
    def racers(self) -> tuple[Contestant, ...]:
        """The contestants, each once."""
        return self.contestants[:-1]


def make_request(
    settings: Settings,
    *,
    batch_sizes: str | None = None,
    against: str | None = None,
    rounds: int | None = None,
    limit: bool = False,
    to_accuracy: float | None = None,
    seeds: int | None = None,
    epochs: int | None = None,
) -> Request:
    """A request with the settings that a race needs: a constant learning rate, no end.

    Raises:
        UnikerasError: a value is not allowed, or a model file that a contestant needs is missing.
    """
    _require_one_kind(to_accuracy, {"--rounds": rounds, "--limit": limit or None}, {"--seeds": seeds, "--epochs": epochs})
    changes = {"schedule": "constant", "epochs": 1_000_000, "on_nan": "stop"}
    checked = validate({**vars(settings), **changes}, {})
    chosen = backends.select(checked.backend)
    rivals = _rivals(against)
    if "float32" in rivals and checked.dtype != "mixed_bfloat16":
        raise SettingsError(
            f"--against float32 asks what mixed precision gains, and --dtype is {checked.dtype}.",
            cure="Add --dtype mixed_bfloat16, or leave float32 out.",
        )
    contestants, pairs = [Contestant(info.name, "own", info.name) for info in chosen], []
    by_name = {info.name: info for info in chosen}
    pairs += [(name, f"native-{name}") for name in by_name if f"native-{name}" in by_name]
    for rival in rivals:
        stand_ins = [(info.name, _contestant(rival, info, checked.model)) for info in chosen]
        found = [(name, contestant) for name, contestant in stand_ins if contestant is not None]
        if against is not None and not found:
            raise _nobody(rival, checked.model, [info.framework for info in chosen])
        contestants += [contestant for _, contestant in found]
        pairs += [(name, contestant.name) for name, contestant in found]
    contestants = list(dict.fromkeys(contestants))  # backends share a rival
    noise = dataclasses.replace(contestants[0], name=f"{contestants[0].name} again")
    return Request(
        settings=checked,
        batch_sizes=_batch_sizes(batch_sizes),
        rounds=rounds or ROUNDS,
        contestants=(*contestants, noise),
        pairs=tuple(pairs),
        against=rivals,
        limit=limit,
        to_accuracy=to_accuracy,
        seeds=seeds or SEEDS,
        most_epochs=epochs or Settings.epochs,
    )


def _require_one_kind(to_accuracy: float | None, of_races: dict[str, Any], of_courses: dict[str, Any]) -> None:
    """Options of the other kind would be ignored."""
    for name, value in of_courses.items():
        if to_accuracy is None and value is not None:
            raise SettingsError(f"{name} is about trainings to an accuracy.", cure="Add --to-accuracy, or leave it out.")
    for name, value in of_races.items():
        if to_accuracy is not None and value is not None:
            raise SettingsError(f"{name} belongs to a race, and --to-accuracy runs none.", cure="Give one of them.")
    if to_accuracy is not None and not 0 < to_accuracy <= 1:
        raise SettingsError(
            f"--to-accuracy can't be {to_accuracy:g}.", cure="Allowed: a share above 0 and up to 1, such as 0.65."
        )


def _contestant(rival: str, info: BackendInfo, model: str) -> Contestant | None:
    """Who stands for a rival on the framework of a backend; None where there is nobody."""
    if rival == "bare":
        return Contestant(f"{info.name}, bare step", "bare", info.name)
    if rival == "float32":
        return Contestant(f"{info.name} in float32", "own", info.name, dtype="float32")
    if rival == "keras-fit":
        return Contestant(f"keras fit on {info.framework}", "keras_fit", backends.keras_on(info.framework).name, is_stock=True)
    native = backends.BACKENDS.get(f"native-{info.framework}")
    if native is None or (rival == "lightning" and info.framework != "torch"):
        return None
    try:
        model_files.framework_file(model_files.locate(model), info.framework, uses_keras=False)
    except ModelError:
        if info.uses_keras:  # its user has no native model, and asked for none
            return None
        raise
    if rival == "lightning":
        packages.require(("lightning",), "--against lightning", cure="pip install 'unikeras[lightning]'")
        return Contestant("lightning", "lightning", native.name, is_stock=True)
    return Contestant(f"hand-written {info.framework}", f"hand_{info.framework}", native.name, is_stock=True)


def _nobody(rival: str, model: str, frameworks: list[str]) -> SettingsError:
    """Of a rival that was asked for and would be left out."""
    if rival == "lightning" and "torch" not in frameworks:
        return SettingsError(
            f"--against lightning has nobody to race on {frameworks[0]}.",
            cure="Lightning trains torch models: add torch or native-torch to --backends, or leave lightning out.",
        )
    file, framework = model_files.locate(model), "torch" if rival == "lightning" else frameworks[0]
    return SettingsError(
        f"--against {rival} needs {model_files.native_path(file, framework).name} beside {file}, and there is none.",
        cure=f"Write it with build(input_shape, num_classes), the same network in {framework} alone, or leave {rival} out.",
    )


def _rivals(text: str | None) -> tuple[str, ...]:
    if text is None:
        return DEFAULT_RIVALS
    if text == "none":
        return ()
    names = tuple(name.strip() for name in text.split(","))
    for name in names:
        if name not in RIVALS:
            raise SettingsError(f"--against can't be {name!r}.", cure=nearest(name, [*RIVALS, "none"]))
    return tuple(dict.fromkeys(names))


def _batch_sizes(text: str | None) -> tuple[int, ...]:
    if text is None:
        return BATCH_SIZES
    try:
        sizes = tuple(int(part) for part in text.split(","))
    except ValueError:
        sizes = ()
    if not sizes or min(sizes) < 1:
        raise SettingsError(f"--batch-size can't be {text!r}.", cure="Allowed: whole numbers ≥ 1, separated by commas: 64,256.")
    return sizes


def command_line(request: Request) -> str:
    """The command line that repeats the benchmark."""
    settings = request.settings
    options: dict[str, Any] = {
        "--backends": settings.backend,
        "--dataset": settings.dataset,
        "--batch-size": ",".join(map(str, request.batch_sizes)),
        "--against": ",".join(request.against) or "none",
    }
    if request.to_accuracy is None:
        options |= {"--rounds": request.rounds}
    else:
        options |= {"--to-accuracy": request.to_accuracy, "--seeds": request.seeds, "--epochs": request.most_epochs}
    options |= {
        as_option(name): getattr(settings, name)
        for name in (*SHOWN, "image_size")
        if getattr(settings, name) not in (None, getattr(Settings, name))
    }
    words = [str(word) for option in options.items() for word in option]
    return shlex.join(["unikeras", "bench", *words, *(["--limit"] if request.limit else [])])


def describe(request: Request) -> dict[str, Any]:
    """The request as JSON values."""
    settings = {name: value for name, value in request.settings.to_dict().items() if name in SHOWN}
    kind: dict[str, Any] = {"rounds": request.rounds}
    if request.to_accuracy is not None:
        kind = {"to_accuracy": request.to_accuracy, "seeds": request.seeds, "epochs": request.most_epochs}
    return {**settings, "batch_sizes": list(request.batch_sizes), **kind}
