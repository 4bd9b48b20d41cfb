"""A training that is killed again and again, at any point of a step or a save, ends as if nothing had happened."""

from __future__ import annotations

import random
from pathlib import Path

from kill_matrix import REACHED, SETTINGS, chain, epochs_for, survive
from trainings import Trainings, outcome

from unikeras import faults, run

LENGTH = 10


def test_kills_leave_no_trace(trainings: Trainings, tmp_path: Path) -> None:
    killings = chain(random.Random(f"test {trainings.backend}"), LENGTH)
    trainings.finish(tmp_path / "unbroken", trainings.settings(**SETTINGS, epochs=epochs_for(LENGTH)))
    survive(trainings, tmp_path / "killed", killings)
    assert outcome(tmp_path / "killed") == outcome(tmp_path / "unbroken"), killings
    history = run.Run(tmp_path / "killed").provenance["history"]
    assert len(history) > LENGTH // 2, "each process that came as far as training is in the history"


def test_every_point_can_be_struck() -> None:
    assert set(REACHED) | {"trained"} == set(faults.POINTS)


def test_a_chain_is_the_same_for_the_same_seed_and_covers_every_point() -> None:
    chains = [chain(random.Random(seed), 20) for seed in (1, 1, 2)]
    assert chains[0] == chains[1] != chains[2]
    struck = {fault.split(":")[1] for seed in range(5) for fault in chain(random.Random(seed), 20)}
    assert struck == set(faults.POINTS)
