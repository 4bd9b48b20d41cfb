"""What kind of mistake a divergence is: hypotheses, each computed in NumPy and compared with what the backend gave in float64."""

from __future__ import annotations

from unikeras.check.figures import Figure
from unikeras.check.subject import Subject


def explain(subject: Subject, figure: Figure) -> str | None:
    """The mistake that gives exactly what the backend gave, in words; None if none of the known ones does."""
    return None
