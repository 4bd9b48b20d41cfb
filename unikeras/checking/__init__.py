"""`unikeras check`: proves that backends agree, or names the place where they part, and the reason.

One worker computes a float64 reference and leaves it in a folder (`reference.py`, `evidence.py`). Then every backend, in a worker
of its own, is fed with the reference's tensors stage by stage, so that errors can't add up, and measures how far it is off
(`measure.py`, `stage_*.py`), a second time in float64 where that tells a mistake from rounding; what kind of mistake it is,
`diagnosis.py` finds out. These figures are all that comes back: the parent process judges them by rounding and against each other
(`judge.py`), and makes a `CheckResult` of them (`result.py`).
"""
