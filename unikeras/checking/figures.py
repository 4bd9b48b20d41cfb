"""How far a tensor is from the reference, as one number: what a worker measures and the parent judges."""

from __future__ import annotations

import dataclasses
from typing import Any

STAGES = ("structure", "forward", "loss", "gradients", "optimizer", "steps", "trajectory", "accuracy")

# Floors beyond which an error is looked at again in float64, where it has to stay below as many.
SUSPICIOUS = 16.0
# Floors that an error may reach where float64 has shown that it is rounding: sums of thousands of terms, in any order, need them.
UNITS = 64.0
NOISE = 1 / 8  # weight in the floor of noise that was found by trying: eight times what was seen may happen

# Unit roundoff: half the distance from 1 to the next number. The reference is float64 itself, so that 2⁻⁴⁷, some dozen of its own
# roundings, is the best that a float64 backend can be measured by.
ROUNDOFF = {
    "float64": 2.0**-47,
    "float32": 2.0**-24,
    "mixed_bfloat16": 2.0**-11,
}  # an eighth of bfloat16's, or `UNITS` of them would be 6%


def fineness(dtype: str) -> float:
    """What noise that was found with float32's roundoff has to be multiplied with: finer arithmetic disturbs as much less."""
    return min(1.0, ROUNDOFF[dtype] / ROUNDOFF["float32"])


@dataclasses.dataclass(frozen=True)
class Figure:
    """One comparison.

    Attributes:
        stage: One of `STAGES`.
        case: The circumstances: "inference", "step 7", "momentum, decay and clipping".
        name: A layer with the side of it (`conv1:output`), a parameter, a slot, or "loss".
        error: Distance from the reference, relative to the reference's scale; infinite where there is a problem.
        floor: What one rounding of every operand can make of it, in the same unit.
        problem: Why there is no number: "missing", "shape 3×4 for 4×3", "not finite", …
        exact: The error in float64: rounding shrinks by 2²⁹, a mistake doesn't. None where float32 raised no suspicion.
        exact_floor: The floor in float64.
        looks_like: The mistake, in words, where the diagnosis knows it.
        layer: The layer to blame, where the diagnosis knows that it is not the one of the name.
    """

    stage: str
    case: str
    name: str
    error: float
    floor: float
    problem: str | None = None
    exact: float | None = None
    exact_floor: float = 0.0
    looks_like: str | None = None
    layer: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return dataclasses.asdict(self)

    @property
    def suspicious(self) -> bool:
        """Whether rounding of the operands alone does not explain the error."""
        return not self.error <= SUSPICIOUS * self.floor

    @property
    def is_mistake(self) -> bool:
        """Whether float64 shows an error that rounding doesn't explain, and that is no smaller than rounding in this dtype."""
        return self.exact is not None and not self.exact <= max(SUSPICIOUS * self.exact_floor, self.floor)
