"""What `unikeras bench` is asked to do: which contestants race, and what is compared with what."""

from __future__ import annotations

import dataclasses
from typing import Any

from unikeras import backends, model_files, packages
from unikeras.backends import BackendInfo
from unikeras.errors import ModelError, SettingsError, nearest
from unikeras.settings import Settings, validate

DATASET = "random:32x32x3:10:20480"  # as large as CIFAR-10's images; whole batches of up to 256 and of 8 steps at once
BATCH_SIZES = (64, 256)
ROUNDS = 15
RIVALS = ("keras-fit", "hand", "lightning", "bare")  # docs/bench.md says what they are
DEFAULT_RIVALS = ("keras-fit", "hand")


@dataclasses.dataclass(frozen=True)
class Contestant:
    """One process of a race.

    Attributes:
        name: For people.
        module: In `unikeras.bench`.
        backend: Whose model file it trains, in whose environment.
        is_stock: Whether it runs as a plain script would, without the environment that unikeras gives its workers.
    """

    name: str
    module: str
    backend: str
    is_stock: bool = False

    @property
    def info(self) -> BackendInfo:
        return backends.BACKENDS[self.backend]


@dataclasses.dataclass(frozen=True)
class Request:
    """What to race.

    Attributes:
        settings: Model, dataset, optimiser, dtype and threads.
        contestants: In the order of the table; the last one is the first again, whose ratio to it is noise.
        pairs: Names of those whose speeds are divided: (contestant, rival).
        limit: Whether the machine's limit is measured, too.
    """

    settings: Settings
    batch_sizes: tuple[int, ...]
    rounds: int
    contestants: tuple[Contestant, ...]
    pairs: tuple[tuple[str, str], ...]
    limit: bool = False


def make_request(
    settings: Settings, *, batch_sizes: str | None = None, against: str | None = None, rounds: int = ROUNDS, limit: bool = False
) -> Request:
    """A request with the settings that a race needs: a constant learning rate, no end.

    Raises:
        UnikerasError: a value is not allowed, or a model file that a contestant needs is missing.
    """
    if settings.dataset == Settings.dataset:
        settings = dataclasses.replace(settings, dataset=DATASET)
    changes = {"schedule": "constant", "epochs": 1_000_000, "on_nan": "stop"}
    checked = validate({**vars(settings), **changes}, {})
    chosen = backends.select(checked.backend)
    rivals = _rivals(against)
    contestants, pairs = [Contestant(info.name, "own", info.name) for info in chosen], []
    by_name = {info.name: info for info in chosen}
    pairs += [(name, f"native-{name}") for name in by_name if f"native-{name}" in by_name]
    for rival in rivals:
        for info in chosen:
            found = _contestant(rival, info, checked.model)
            if found is not None:
                contestants += [found] if found not in contestants else []
                pairs.append((info.name, found.name))
    noise = dataclasses.replace(contestants[0], name=f"{contestants[0].name} again")
    return Request(checked, _batch_sizes(batch_sizes), rounds, (*contestants, noise), tuple(pairs), limit)


def _contestant(rival: str, info: BackendInfo, model: str) -> Contestant | None:
    """Who stands for a rival on the framework of a backend; None where there is nobody."""
    if rival == "bare":
        return Contestant(f"{info.name}, bare step", "bare", info.name)
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


def _rivals(text: str | None) -> tuple[str, ...]:
    if text is None:
        return DEFAULT_RIVALS
    if text == "none":
        return ()
    names = tuple(name.strip() for name in text.split(","))
    for name in names:
        if name not in RIVALS:
            raise SettingsError(f"--against can't be {name!r}.", cure=nearest(name, [*RIVALS, "none"]))
    return names


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


def describe(request: Request) -> dict[str, Any]:
    """The request as JSON values."""
    shown = ("model", "dataset", "optimizer", "learning_rate", "dtype", "threads", "seed", "normalize", "augment")
    settings = {name: value for name, value in request.settings.to_dict().items() if name in shown}
    return {**settings, "batch_sizes": list(request.batch_sizes), "rounds": request.rounds}
