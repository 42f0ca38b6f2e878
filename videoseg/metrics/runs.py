"""Where encoded masks change, read without decoding the masks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from videoseg.errors import EvaluationError, ShapeError
from videoseg.types import Rle, Size
from videoseg.types.runs import Changes, changes_of_runs, count_problem, read_runs

__all__ = ["Changes", "changes_of"]


def changes_of(rles: Sequence[Rle | None], size: Size) -> list[Changes]:
    """Return where each of some masks changes; nowhere for None.

    Args:
        rles: The masks.
        size: The (height, width) they must have.

    Raises:
        ShapeError: If one has another size.
        EvaluationError: If the runs of one are not those of a mask of this size.
    """
    present = [rle for rle in rles if rle is not None]
    for rle in present:
        if tuple(rle.size) != tuple(size):
            raise ShapeError("a mask", actual=tuple(rle.size), expected=str(tuple(size)))
    runs = read_runs([rle.counts for rle in present])
    for total in runs.totals().tolist():
        # No Rle is made with such runs, but one may be unpickled.
        if (problem := count_problem(total, size)) is not None:
            raise EvaluationError(f"{problem}; encode the mask anew at the size of the frame")
    read = iter(range(len(present)))
    nowhere: Changes = np.zeros(0, dtype=np.int64)
    return [nowhere if rle is None else changes_of_runs(runs.of(next(read))) for rle in rles]
