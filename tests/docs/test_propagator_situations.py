"""The table of situations in the documentation is what propagators do."""

from __future__ import annotations

import pytest
from propagator_situations import PROPAGATORS, SITUATIONS, VARIANTS, outcome, written_table

pytestmark = pytest.mark.slow


def test_the_table_has_a_cell_for_every_propagator_and_situation() -> None:
    assert set(written_table()) == {(name, one) for name in PROPAGATORS for one in SITUATIONS}


@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.parametrize("name", PROPAGATORS)
def test_a_cell_says_what_the_propagator_does(name: str, situation: str) -> None:
    assert outcome(name, situation) == written_table()[name, situation]


@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.parametrize(
    ("name", "variant"), [(name, one) for name, all_ in VARIANTS.items() for one in all_]
)
def test_policies_and_networks_do_what_their_column_says(
    name: str, variant: str, situation: str
) -> None:
    assert outcome(name, situation, variant) == written_table()[name, situation]
