"""What kind of mistake a divergence is: hypotheses, each computed in NumPy and compared with what the backend gave in float64.

In float64 a right hypothesis fits to nine digits and a wrong one doesn't, so that a name is given only where it is certain.
"""

from __future__ import annotations

from collections.abc import Callable

from unikeras.checking.diagnosis import forward, gradients, losses, updates
from unikeras.checking.diagnosis.matching import Diagnosis
from unikeras.checking.figures import Figure
from unikeras.checking.subject import Subject

_EXPLAINERS: dict[str, Callable[[Subject, Figure], Diagnosis | str | None]] = {
    "forward": forward.explain,
    "loss": losses.explain,
    "gradients": gradients.explain,
    "optimizer": updates.explain_rule,
    "steps": updates.explain_step,
}


def explain(subject: Subject, figure: Figure) -> Diagnosis:
    """The mistake that gives exactly what the backend gave.

    Args:
        subject: The backend in float64.
        figure: What it got wrong.
    """
    found = _EXPLAINERS[figure.stage](subject, figure)
    return found if isinstance(found, Diagnosis) else Diagnosis(found)
