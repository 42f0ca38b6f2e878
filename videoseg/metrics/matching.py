"""Which predicted object stands for which true one."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from videoseg.metrics.assignment import best_assignment
from videoseg.metrics.statistics import mean
from videoseg.metrics.tally import FrameTally
from videoseg.metrics.task import MaskSequence, ScoringTask

__all__ = ["match_objects"]

_Tallies = Mapping[int, FrameTally]
_Partners = Mapping[int, int | None]


def match_objects(
    task: ScoringTask, tally: Callable[[MaskSequence, MaskSequence], FrameTally]
) -> tuple[_Tallies, _Partners]:
    """Return the tally and the predicted id of each true object.

    By id, or by the assignment with the highest mean of J and F (DAVIS unsupervised). Objects
    that are missing from the prediction take part in it as empty masks, and so do ids that are
    left out below the highest one where ``true_objects`` is ``first-frame``.

    Args:
        task: What is to be scored.
        tally: Counts a predicted against a true sequence of masks.
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
    # More than that many are no answer, which official code does not go on with.
    most = task.protocol.max_proposals or number
    return max(number, min(max(task.predicted, default=0), most))


def _quality(tally: FrameTally) -> float:
    j = mean(tally.region)
    return j if tally.boundary is None else (j + mean(tally.boundary)) / 2
