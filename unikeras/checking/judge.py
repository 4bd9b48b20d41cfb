"""From figures to verdicts, parent side: every error is judged by rounding and by what the other backends show.

What an error amounts to in roundings of the operands decides: beyond `SUSPICIOUS` of them it has been measured once more in
float64, and if it is there, too, it is a mistake. If it has vanished, it was rounding, and agrees up to `UNITS` roundings plus
`FACTOR` times the error that the other backends make at the same place; now and then rounding may put a rectifier or a maximum on
its other side, and a gradient jumps.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence

from unikeras.checking.figures import ROUNDOFF, STAGES, SUSPICIOUS, UNITS, Figure, fineness

FACTOR = 4.0  # between the rounding errors of healthy backends: their sums run in other orders
CAP = 64.0  # floors that the others' error can count for, or two backends with the same mistake would vouch for each other
CHANCE = 0.1  # that rounding changes a decision of a healthy backend in a step, if much
ALARM = 1e-4  # how probable it may be that so many of a parameter's steps have such a decision by chance
ENVELOPE = 4.0  # times the spread of the twins
PARTED = 1e-2  # relative spread at which the twins themselves have parted


@dataclasses.dataclass(frozen=True)
class Judged:
    """A figure with its verdict.

    Attributes:
        noise: Error of the others at the same place; None if there is no other.
        bound: Largest error that agrees.
        kind: None where it agrees. Otherwise "mistake" (float64 shows it too), "precision" (float64 doesn't), or "structure".
        jump: Whether it is a lone decision that rounding changed, confirmed in float64: agrees.
    """

    backend: str
    dtype: str
    figure: Figure
    noise: float | None
    bound: float
    kind: str | None = None
    jump: bool = False

    @property
    def ratio(self) -> float:
        """Error by bound; of float32 and float64 the larger one."""
        own = _ratio(self.figure.error, self.bound)
        return own if self.figure.exact is None else max(own, _ratio(self.figure.exact, SUSPICIOUS * self.figure.exact_floor))


def _ratio(error: float, bound: float) -> float:
    if error == 0:
        return 0.0
    return error / bound if bound else math.inf


def judge(figures: Mapping[str, Sequence[Figure]], dtype: str) -> list[Judged]:
    """Verdicts on all figures of backends in one dtype, in the order of stages and then as measured, mistakes first."""
    places: dict[tuple[str, str, str], dict[str, Figure]] = defaultdict(dict)
    for backend, own in figures.items():
        for figure in own:
            places[figure.stage, figure.case, figure.name][backend] = figure
    judged = [_judge_one(backend, dtype, figure, at) for at in places.values() for backend, figure in at.items()]
    judged = _forgive_jumps(judged)
    # A mistake explains what else is wrong in its stage.
    return sorted(judged, key=lambda one: (STAGES.index(one.figure.stage), one.kind == "precision"))


def _judge_one(backend: str, dtype: str, figure: Figure, place: Mapping[str, Figure]) -> Judged:
    # Of accuracies it is the difference itself: with two backends, each would excuse the other's.
    others = [other.error for name, other in place.items() if name != backend and figure.stage != "accuracy"]
    noise = _noise(others)
    bound = UNITS * figure.floor + FACTOR * min(noise or 0.0, CAP * figure.floor)
    agrees = figure.error <= bound and not figure.is_mistake
    return Judged(backend, dtype, figure, noise, bound, None if agrees else _kind(figure))


def _noise(errors: list[float]) -> float | None:
    """The lower median, so that of two others the better one counts."""
    finite = sorted(error for error in errors if math.isfinite(error))
    return finite[(len(finite) - 1) // 2] if finite else None


def _kind(figure: Figure) -> str:
    if figure.stage == "structure":
        return "structure"
    return "mistake" if figure.problem is not None or figure.exact is None or figure.is_mistake else "precision"


def _forgive_jumps(judged: list[Judged]) -> list[Judged]:
    """Lets rounding change a decision now and then, where float64 confirms that it was rounding.

    Only where gradients play a part: outputs are continuous, gradients are not.
    """
    groups: dict[tuple[str, str, str], list[Judged]] = defaultdict(list)
    for one in judged:
        groups[one.backend, one.figure.stage, one.figure.name].append(one)
    forgiven = set()
    for (_, stage, _), group in groups.items():
        over = [one for one in group if one.kind is not None]
        is_rounding = stage in ("gradients", "steps") and all(one.kind == "precision" for one in over)
        if is_rounding and len(over) <= most_jumps(len(group)):
            forgiven |= {id(one) for one in over}
    return [dataclasses.replace(one, kind=None, jump=True) if id(one) in forgiven else one for one in judged]


def most_jumps(steps: int) -> int:
    """At how many of the steps chance may change a decision: a binomial quantile, but never at most of them."""
    from scipy import stats

    return max(1, min(steps // 2, int(stats.binom.isf(ALARM, steps, CHANCE))))


@dataclasses.dataclass(frozen=True)
class Envelope:
    """What the losses of a training run may be, step by step.

    Attributes:
        center: Losses of the float64 run.
        low, high: Smallest and largest loss that agree, up to the horizon and beyond it (where they mean nothing any more).
        horizon: Steps before the twins themselves have parted: only these are judged.
        twins: Losses of the runs that make the envelope.
    """

    center: list[float]
    low: list[float]
    high: list[float]
    horizon: int
    twins: list[list[float]]


def make_envelope(center: list[float], twins: list[list[float]], dtype: str) -> Envelope:
    """The envelope of float32 twins; a float64 run has to keep as much closer to the center as float64 is finer."""
    spreads, widest = [], 0.0
    for step, loss in enumerate(center):
        widest = max(widest, *(abs(twin[step] - loss) for twin in twins))
        spreads.append(widest)
    parted = [step for step, (spread, loss) in enumerate(zip(spreads, center, strict=True)) if spread > PARTED * abs(loss)]
    horizon = parted[0] if parted else len(center)
    widths = [
        fineness(dtype) * (ENVELOPE * spread + SUSPICIOUS * ROUNDOFF["float32"] * max(abs(loss), 0.1) * (step + 1))
        for step, (spread, loss) in enumerate(zip(spreads, center, strict=True))
    ]
    low = [loss - width for loss, width in zip(center, widths, strict=True)]
    high = [loss + width for loss, width in zip(center, widths, strict=True)]
    return Envelope(center, low, high, horizon, twins)


def leaves(envelope: Envelope, losses: list[float]) -> bool:
    """Whether a run leaves the envelope before the horizon."""
    steps = zip(losses, envelope.low, envelope.high, strict=False)
    return not all(low <= loss <= high for loss, low, high in itertools.islice(steps, envelope.horizon))


def judge_trajectory(
    envelope: Envelope, backend: str, dtype: str, losses: list[float], exact_is_right: bool | None = None
) -> Judged:
    """The worst step of a run before the horizon; its noise is the spread of the twins there.

    Args:
        exact_is_right: Whether the same run in float64 keeps to its envelope: what leaves that of float32 is then rounding
            of a backend whose sums are coarser than the twins', and agrees until it would part twins.
    """
    worst: Judged | None = None
    for step in range(min(envelope.horizon, len(losses))):
        width = envelope.high[step] - envelope.center[step]
        error = abs(losses[step] - envelope.center[step])
        problem = None if math.isfinite(losses[step]) else "not finite"
        figure = Figure("trajectory", f"step {step + 1}", "loss", math.inf if problem else error, width / UNITS, problem)
        if exact_is_right:
            width = max(width, PARTED * abs(envelope.center[step]))
        kind = None if error <= width else "precision" if exact_is_right else "mistake"
        one = Judged(backend, dtype, figure, width / ENVELOPE, width, kind)
        if worst is None or one.ratio > worst.ratio:
            worst = one
    if worst is None:
        figure = Figure("trajectory", "free run", "loss", math.inf, 0.0, "nothing to compare")
        return Judged(backend, dtype, figure, None, 0.0, "mistake")
    return worst
