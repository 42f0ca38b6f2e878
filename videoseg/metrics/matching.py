"""Assignment of predicted to true objects."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from videoseg.errors import ShapeError
from videoseg.metrics.measures import mean
from videoseg.metrics.overlap import FrameTally
from videoseg.metrics.task import MaskSequence, ScoringTask
from videoseg.types import FloatArray

__all__ = [
    "best_assignment",
    "match_objects",
]


def match_objects(
    task: ScoringTask, tally: Callable[[MaskSequence, MaskSequence], FrameTally]
) -> tuple[dict[int, FrameTally], dict[int, int | None]]:
    """Return the tally and the predicted id of each true object.

    Objects are matched by id, or by the assignment with the highest mean of J and F (DAVIS
    unsupervised). In the assignment, objects that are missing from the prediction are empty
    masks, and so are unused ids below the highest one if ``true_objects`` is ``first-frame``.

    Args:
        task: The sample.
        tally: Compares a predicted and a true sequence of masks.
    """
    nothing: MaskSequence = [None] * task.num_frames
    if task.protocol.matching == "id":
        tallies = {
            key: tally(task.predicted.get(key, nothing), masks)
            for key, masks in task.truth.items()
        }
        return tallies, {key: key if key in task.predicted else None for key in task.truth}
    proposals: list[int | None] = [*task.predicted]
    proposals += [None] * (_num_proposals(task) - len(proposals))
    pairs = [
        [tally(nothing if key is None else task.predicted[key], masks) for key in proposals]
        for masks in task.truth.values()
    ]
    chosen = best_assignment(np.array([[_quality(pair) for pair in row] for row in pairs]))
    true_ids = list(task.truth)
    return (
        {true_ids[row]: pairs[row][column] for row, column in chosen},
        {true_ids[row]: proposals[column] for row, column in chosen},
    )


def _num_proposals(task: ScoringTask) -> int:
    number = max(len(task.truth), len(task.predicted))
    if task.protocol.true_objects == "all":
        return number
    # The official code refuses more proposals than that.
    most = task.protocol.max_proposals or number
    return max(number, min(max(task.predicted, default=0), most))


def _quality(tally: FrameTally) -> float:
    j = mean(tally.region)
    return j if tally.boundary is None else (j + mean(tally.boundary)) / 2


def best_assignment(scores: FloatArray) -> list[tuple[int, int]]:
    """Return pairs (row, column), each row and column at most once, with the highest sum.

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
    from scipy.optimize import linear_sum_assignment

    matrix = np.asarray(scores, dtype=np.float64)
    if matrix.ndim != 2 or not np.isfinite(matrix).all():
        raise ShapeError("scores", actual=matrix.shape, expected="(rows, columns), finite")
    rows, columns = linear_sum_assignment(matrix, maximize=True)
    return list(zip(rows.tolist(), columns.tolist(), strict=True))
