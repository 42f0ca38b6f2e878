import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from videoseg.errors import ShapeError
from videoseg.metrics import best_assignment

matrices = hnp.arrays(
    float,
    st.tuples(st.integers(1, 4), st.integers(1, 6)),
    elements=st.one_of(st.floats(0, 1), st.sampled_from([0.0, 0.5, 1.0])),
)


def highest_total(matrix):
    """Return the highest sum over all assignments, tried one by one."""
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    columns = itertools.permutations(range(wide.shape[1]), wide.shape[0])
    return max(wide[range(len(chosen)), chosen].sum() for chosen in columns)


@settings(deadline=None)
@given(matrices, st.booleans())
def test_the_total_is_the_highest_of_all_assignments(matrix, turned):
    matrix = matrix.T if turned else matrix
    pairs = best_assignment(matrix)
    rows, columns = zip(*pairs, strict=True)
    assert list(rows) == sorted(set(rows))
    assert len(set(columns)) == len(pairs) == min(matrix.shape)
    assert matrix[list(rows), list(columns)].sum() == pytest.approx(highest_total(matrix))


def test_nothing_is_assigned_to_nothing():
    assert best_assignment(np.zeros((0, 3))) == []


def test_scores_that_are_no_matrix_of_numbers_are_refused():
    with pytest.raises(ShapeError):
        best_assignment(np.zeros(3))
    with pytest.raises(ShapeError):
        best_assignment(np.array([[np.nan]]))
