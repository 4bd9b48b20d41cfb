"""What reports say: numbers as people read them, and what stages, kinds of divergence and marks mean."""

from __future__ import annotations

import math
from typing import Any

# Title and meaning of each stage, in the order of `unikeras.checking.figures.STAGES`.
STAGES = {
    "structure": ("structure", "the same parameters, with the same initial values to the bit"),
    "forward": ("forward pass", "every layer's output, each fed with the reference's input"),
    "loss": ("loss", "training loss, evaluation loss and accuracy"),
    "gradients": ("gradients", "the gradient of every parameter"),
    "optimizer": ("update rule", "slots and updates, from the same gradients"),
    "steps": ("training steps", "whole steps, each from the reference's state, so that errors can't add up"),
    "trajectory": ("trajectory", "a free run: the right batches and rates, losses inside the envelope"),
    "accuracy": ("accuracy", "what training comes to"),
}

KINDS = {
    "mistake": ("A mistake", "something else is computed"),
    "precision": (
        "A loss of precision",
        "in float64 nothing but rounding is left, so the right thing is computed, but too coarsely",
    ),
    "structure": ("Another structure", "these are not the same parameters, so nothing that follows could agree"),
}

SYMBOLS = {"agree": "✓", "disagree": "✗", "defect": "!", "finished": "✓", "unfinished": "…"}


def stage_title(stage: str) -> str:
    """What a stage is called in a sentence."""
    return STAGES[stage][0] if stage in STAGES else stage


def number(value: float | None, missing: str = "∞") -> str:
    """Two digits, without the zeros that Python puts into exponents; JSON has no infinity, so it arrives as None."""
    if value is None:
        return missing
    if not math.isfinite(value):
        return "∞" if value > 0 else str(value)
    if value == 0:
        return "0"
    if 1e-3 <= abs(value) < 1e6:
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2g}" if abs(value) < 1 else f"{value:.3g}"
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def loss(value: float | None) -> str:
    """Four decimals where they say something."""
    if value is None:
        return "not finite"
    return f"{value:.4f}" if value == 0 or 1e-3 <= abs(value) < 1e4 else number(value)


def ratio(value: float | None) -> str:
    """Error by bound, as short as a cell needs it."""
    if value is None or math.isinf(value):
        return "∞"
    if value == 0:
        return "0"
    if value < 1e-3:
        return "<.001"
    if value < 1:
        return f"{value:.2g}"
    return (
        f"{value:.1f}"
        if value < 10
        else f"{value:,.0f}"
        if value < 1e4
        else f"{value:.0e}".replace("e+0", "e").replace("e+", "e")
    )


def times(value: float | None) -> str:
    """A ratio inside a sentence."""
    if value is None or math.isinf(value):
        return "beyond any bound"
    rounded = round(value, 1 - math.floor(math.log10(value))) if value >= 100 else value
    return f"{rounded:,.0f} × the bound" if 100 <= rounded < 1e9 else f"{ratio(value)} × the bound"


def count(number_of: int, noun: str = "") -> str:
    """1,019 or "1 step", "20 steps"."""
    return f"{number_of:,}" + (f" {noun}{'' if number_of == 1 else 's'}" if noun else "")


def duration(seconds: float) -> str:
    """16 ms, 0.4 s, 17 s, 3 min 20 s, 2 h 5 min."""
    if seconds < 0.0995:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def fact(value: Any) -> str:
    """A setting's value."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(fact, value)) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{key} {fact(inner)}" for key, inner in value.items()) or "none"
    return f"{value:.4g}" if isinstance(value, float) and math.isfinite(value) else str(value)


def enumeration(names: list[str]) -> str:
    """Names in a sentence: "a, b and c"."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else "none"
