"""The selection of frames that SAM 3 uses for concepts, here for each object."""

from __future__ import annotations

import math

from videoseg_sam2.policies.ranked import RankedFrames
from videoseg_sam2.policy import FrameRecord

__all__ = ["Sam3Selection"]

# Default of SAM 3's released code.
_LEAST_SCORE = 0.01


class Sam3Selection(RankedFrames):
    """Frames are read by rank among those in which the object is seen.

    A frame's score is its estimated IoU times how sure the network is that the object is in sight:
    ``max(0, 2 * sigmoid(object score) - 1)``. The six newest frames above a score of 0.01 are read
    as features and the fifteen newest as pointers, and the frame before in any case. SAM 3 takes
    the mean score of all objects; here each object has its own, as in SAM3-DMS (arXiv 2601.09699).

    Args:
        least_score: Frames with no more are passed over.
    """

    def __init__(self, least_score: float = _LEAST_SCORE) -> None:
        super().__init__()
        self._least_score = least_score

    def is_good(self, record: FrameRecord) -> bool:
        """Return whether the object is seen on a frame."""
        # The same as 2 * sigmoid - 1, without a number that overflows.
        in_sight = max(0.0, math.tanh(record.object_score / 2))
        return in_sight * record.iou > self._least_score
