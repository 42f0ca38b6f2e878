"""Who is who: the assignment of predicted to true objects with the highest total."""

from __future__ import annotations

import math

import numpy as np

from videoseg.errors import ShapeError
from videoseg.types import FloatArray

__all__ = ["best_assignment"]


def best_assignment(scores: FloatArray) -> list[tuple[int, int]]:
    """Return pairs (row, column), each row and column at most once, with the highest sum.

    The Hungarian method with potentials (Kuhn 1955; Jonker and Volgenant 1987), exact, in
    O(n^3).

    Args:
        scores: Finite numbers, shape (rows, columns). As many pairs are returned as the
            smaller side is long, in the order of the rows.

    Raises:
        ShapeError: If the scores are not a matrix of finite numbers.

    Example:
        >>> import numpy as np
        >>> best_assignment(np.array([[0.9, 0.8], [0.7, 0.1]]))
        [(0, 1), (1, 0)]
    """
    matrix = np.asarray(scores, dtype=np.float64)
    if matrix.ndim != 2 or not np.isfinite(matrix).all():
        raise ShapeError("scores", actual=matrix.shape, expected="(rows, columns), finite")
    if matrix.shape[0] > matrix.shape[1]:
        return sorted((row, column) for column, row in best_assignment(matrix.T))
    return sorted(_cheapest((-matrix).tolist(), matrix.shape[1]))


def _cheapest(costs: list[list[float]], num_columns: int) -> list[tuple[int, int]]:
    # Row and column 0 stand for "none yet", so that everything else counts from 1.
    row_potential = [0.0] * (len(costs) + 1)
    column_potential = [0.0] * (num_columns + 1)
    row_of = [0] * (num_columns + 1)
    for row in range(1, len(costs) + 1):
        row_of[0], column = row, 0
        slack, came_from = [math.inf] * (num_columns + 1), [0] * (num_columns + 1)
        visited = [False] * (num_columns + 1)
        while row_of[column]:
            visited[column] = True
            current, step, following = row_of[column], math.inf, 0
            for other in range(1, num_columns + 1):
                if visited[other]:
                    continue
                reduced = costs[current - 1][other - 1]
                reduced -= row_potential[current] + column_potential[other]
                if reduced < slack[other]:
                    slack[other], came_from[other] = reduced, column
                if slack[other] < step:
                    step, following = slack[other], other
            for other in range(num_columns + 1):
                if visited[other]:
                    row_potential[row_of[other]] += step
                    column_potential[other] -= step
                else:
                    slack[other] -= step
            column = following
        while column:
            row_of[column] = row_of[came_from[column]]
            column = came_from[column]
    return [(row - 1, column - 1) for column, row in enumerate(row_of) if column and row]
