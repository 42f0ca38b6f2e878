import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from videoseg.errors import ShapeError
from videoseg.metrics import best_assignment

matrices = hnp.arrays(
    float,
    st.tuples(st.integers(1, 7), st.integers(1, 20)),
    elements=st.one_of(st.floats(0, 1), st.sampled_from([0.0, 0.5, 1.0])),
)


@settings(deadline=None)
@given(matrices, st.booleans())
def test_the_total_is_that_of_scipy(matrix, turned):
    from scipy.optimize import linear_sum_assignment

    matrix = matrix.T if turned else matrix
    pairs = best_assignment(matrix)
    rows, columns = zip(*pairs, strict=True)
    assert len(set(rows)) == len(set(columns)) == len(pairs) == min(matrix.shape)
    expected = matrix[linear_sum_assignment(-matrix)].sum()
    assert matrix[list(rows), list(columns)].sum() == pytest.approx(expected, abs=1e-9)


def test_nothing_is_assigned_to_nothing():
    assert best_assignment(np.zeros((0, 3))) == []


def test_scores_that_are_no_matrix_of_numbers_are_refused():
    with pytest.raises(ShapeError):
        best_assignment(np.zeros(3))
    with pytest.raises(ShapeError):
        best_assignment(np.array([[np.nan]]))
