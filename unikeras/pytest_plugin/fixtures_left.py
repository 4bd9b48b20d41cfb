"""Fixtures that outlive their test only because pytest was told that another test comes next."""

from __future__ import annotations

import pytest


def tear_down_unless_needed_by(item: pytest.Item | None, session: pytest.Session) -> None:
    """Tears down what is set up in this process and isn't shared with `item`.

    pytest does so at the end of each test for the one that follows. Here the one that follows may run in another process,
    and with pytest-xdist nobody knows it.
    """
    session._setupstate.teardown_exact(item)
