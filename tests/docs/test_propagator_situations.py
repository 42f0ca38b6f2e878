"""The table of situations in the documentation is what propagators do."""

from __future__ import annotations

import pytest
from propagator_situations import PROPAGATORS, SITUATIONS, outcome, written_table

pytestmark = pytest.mark.slow


def test_the_table_has_a_cell_for_every_propagator_and_situation() -> None:
    assert set(written_table()) == {(name, one) for name in PROPAGATORS for one in SITUATIONS}


@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.parametrize("name", PROPAGATORS)
def test_a_cell_says_what_the_propagator_does(name: str, situation: str) -> None:
    assert outcome(name, situation) == written_table()[name, situation]
