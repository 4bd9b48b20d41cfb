"""What `unikeras check` is asked to do."""

from __future__ import annotations

import dataclasses
import shlex
from typing import Any

from unikeras.backends import BackendInfo
from unikeras.checking import plants
from unikeras.errors import SettingsError
from unikeras.optimizers import RULES
from unikeras.settings import Settings, validate

PLANT_MODEL = "probe"
STEPS, QUICK_STEPS = 20, 6
DTYPES = {"float32": ("float32",), "float64": ("float64",), "both": ("float32", "float64")}


@dataclasses.dataclass(frozen=True)
class Request:
    """What to check.

    Attributes:
        settings: Model, dataset, backends, learning rate, seed, threads; `optimizer` is the rule of the training steps.
        optimizers: Rules whose updates are compared.
        steps: Teacher-forced steps, and about as many free ones.
        dtype: Key of `DTYPES`.
        full: Whether mixed precision and the accuracy after training are compared, too.
        plant: Name of a fault to plant, or None.
    """

    settings: Settings
    optimizers: tuple[str, ...]
    steps: int
    dtype: str
    full: bool = False
    plant: str | None = None

    @property
    def dtypes(self) -> tuple[str, ...]:
        """Kinds of arithmetic to measure in."""
        return (*DTYPES[self.dtype], "mixed_bfloat16") if self.full else DTYPES[self.dtype]


def make_request(
    settings: Settings,
    *,
    optimizer: str | None = None,
    steps: int | None = None,
    dtype: str | None = None,
    quick: bool = False,
    full: bool = False,
    plant: str | None = None,
) -> Request:
    """A request with the settings that a check needs: small batches, two short epochs, a rate that drops.

    `quick` and `full` are other defaults. A plant brings the update rule and the arithmetic in which it shows, and its model.

    Raises:
        SettingsError: a value is not allowed.
    """
    if quick and full:
        raise SettingsError("--quick and --full can't go together.", cure="Give one of them.")
    if plant is not None:
        planted = plants.find(plant)
        optimizer, dtype = optimizer or planted.optimizer, dtype or planted.dtype
        if settings.model == Settings.model:
            settings = dataclasses.replace(settings, model=PLANT_MODEL)
    optimizer = optimizer or ("all" if full else "adam")
    dtype = dtype or ("both" if full else "float32")
    if optimizer not in (*RULES, "all"):
        raise SettingsError(f"--optimizer can't be {optimizer!r}.", cure=f"Allowed: {', '.join(RULES)}, all.")
    if dtype not in DTYPES:
        raise SettingsError(f"--dtype can't be {dtype!r}.", cure=f"Allowed: {', '.join(DTYPES)}.")
    rules = tuple(RULES) if optimizer == "all" else (optimizer,)
    changes = {"optimizer": "adam" if optimizer == "all" else optimizer, "batch_size": 32, "epochs": 2, "schedule": "step"}
    checked = validate({**vars(settings), **changes}, {})
    return Request(checked, rules, steps or (QUICK_STEPS if quick else STEPS), dtype, full, plant)


def list_plants() -> list[dict[str, Any]]:
    """The faults that can be planted, as JSON values."""
    return [
        {"plant": one.name, "backend": one.backend, "found_in": one.stage, "fault": one.what} for one in plants.PLANTS.values()
    ]


def require_planted(request: Request, chosen: list[BackendInfo]) -> None:
    """A planted fault that no checked backend gets would pass for agreement.

    Raises:
        SettingsError: there is none.
    """
    if request.plant:
        wanted = plants.find(request.plant).backend
        if wanted not in {info.name for info in chosen}:
            raise SettingsError(
                f"--plant {request.plant} goes into {wanted}, which is not checked.", cure="Add it to --backends."
            )


def plant_for(request: Request, info: BackendInfo) -> str | None:
    """The fault that a backend gets, if any."""
    return request.plant if request.plant and plants.find(request.plant).backend == info.name else None


def command_line(request: Request, chosen: list[BackendInfo]) -> str:
    """The command line that repeats the check."""
    settings, default = request.settings, Settings()
    words = ["unikeras", "check", settings.model, "--backends", ",".join(info.name for info in chosen)]
    words += ["--optimizer", "all" if len(request.optimizers) > 1 else request.optimizers[0]]
    words += ["--steps", str(request.steps), "--dtype", request.dtype, "--seed", str(settings.seed)]
    words += ["--full"] if request.full else []
    for name in ("dataset", "image_size"):
        if getattr(settings, name) != getattr(default, name):
            words += ["--" + name.replace("_", "-"), str(getattr(settings, name))]
    if request.plant:
        words += ["--plant", request.plant]
    return shlex.join(words)
