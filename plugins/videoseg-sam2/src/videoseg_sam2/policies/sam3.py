"""The selection of frames that SAM 3 uses for concepts, here for each object."""

from __future__ import annotations

import math

from videoseg_sam2.policy import (
    NUM_POINTERS,
    NUM_SLOTS,
    FrameRecord,
    Held,
    Keeping,
    MemoryBounds,
    MemoryPolicy,
    Recall,
)

__all__ = ["Sam3Selection"]

# Default of SAM 3's released code.
_LEAST_SCORE = 0.01


class Sam3Selection(MemoryPolicy):
    """Frames are read by rank among those in which the object is seen.

    A frame's score is its estimated IoU times how sure the network is that the object is in sight:
    ``max(0, 2 * sigmoid(object score) - 1)``. The six newest frames above a score of 0.01 are read
    as features and the fifteen newest as pointers, and the frame before in any case. SAM 3 takes
    the mean score of all objects; here each object has its own, as in SAM3-DMS (arXiv 2601.09699).

    Args:
        least_score: Frames with no more are passed over.
    """

    bounds = MemoryBounds(NUM_SLOTS + 1, NUM_POINTERS + 1)

    def __init__(self, least_score: float = _LEAST_SCORE) -> None:
        super().__init__()
        self._least_score = least_score
        self._selected: list[int] = []
        self._last: int | None = None

    def keep(self, record: FrameRecord) -> Keeping:
        """Return what is remembered of a frame."""
        # The same as 2 * sigmoid - 1, without a number that overflows.
        in_sight = max(0.0, math.tanh(record.object_score / 2))
        if in_sight * record.iou > self._least_score:
            self._selected = [*self._selected, record.step][-NUM_POINTERS:]
        self._last = record.step
        return "recent"

    def recall(self, step: int) -> Recall:
        """Return what is read on a coming frame."""
        chosen = list(self._selected)
        if self._last == step - 1 and self._last not in chosen:
            chosen.append(step - 1)
        newest_first = chosen[::-1]
        return Recall(
            features=dict(enumerate(newest_first[:NUM_SLOTS], start=1)),
            pointers=dict(enumerate(newest_first[:NUM_POINTERS], start=1)),
        )

    def held(self) -> Held:
        """Return which frames may yet be recalled."""
        last = set() if self._last is None else {self._last}
        return Held({*self._selected[-NUM_SLOTS:], *last}, {*self._selected, *last})
