"""SAMURAI: candidates are judged by motion, too, and only good frames are remembered."""

from __future__ import annotations

from videoseg_sam2.policies.box_filter import BoxFilter, box_iou
from videoseg_sam2.policy import (
    NUM_POINTERS,
    NUM_SLOTS,
    Candidates,
    FrameRecord,
    Held,
    Keeping,
    MemoryBounds,
    MemoryPolicy,
    Recall,
)

__all__ = ["Samurai"]

# Defaults of the released code: frames until the filter is trusted, the IoU below which it is
# started anew, and above which a frame is good.
_STEADY_FRAMES, _STEADY_IOU, _GOOD_IOU = 15, 0.3, 0.5


class Samurai(MemoryPolicy):
    """SAMURAI (arXiv 2411.11922, sections 4.1 and 4.2), for each object and in both directions.

    A Kalman filter predicts the box. Once it has been right for 15 frames, the candidate is chosen
    whose box agrees with it and whose estimated IoU is high. Features are read of the six newest
    good frames, and of the frame before; pointers of the last 15 frames, as published.

    It differs from the released code: the object is present above an object score of 0, as in
    SAM 2, not of -1; a correction starts the filter from its mask.

    Args:
        motion_weight: Weight of the predicted box against the network's estimate, in [0, 1]. The
            authors use 0.25, and 0.15 for the large network.
        first_step: The first frame after the object's first whose features may be remembered as
            good; the released code has 2, by a slip.
    """

    # The frame before, and six good ones before it.
    bounds = MemoryBounds(NUM_SLOTS + 1, NUM_POINTERS)

    def __init__(self, motion_weight: float = 0.25, *, first_step: int = 1) -> None:
        super().__init__()
        self._weight = motion_weight
        self._first_step = first_step
        self._filter: BoxFilter | None = None
        self._steady = 0
        self._motion_score: float | None = None
        self._good: list[int] = []

    def prompted(self, record: FrameRecord) -> None:
        """Take note of a prompted frame."""
        # A given mask or box starts nothing on the first frame: the filter starts from the first
        # choice among candidates, as released.
        is_first = record.step == 0
        chosen = record.num_candidates > 1 or not is_first
        self._filter = BoxFilter(record.extent) if chosen else None
        self._steady = int(chosen)

    def choose(self, candidates: Candidates) -> int:
        """Return the index of the candidate that is the object."""
        self._motion_score = None
        if len(candidates.ious) == 1:
            return 0
        choice = candidates.best
        if self._filter is None or self._steady == 0:
            self._filter = BoxFilter(candidates.extents[choice])
            self._steady = 1
            return choice
        self._filter.predict()
        steady = self._steady >= _STEADY_FRAMES
        if steady:
            predicted = self._filter.box
            motion = [box_iou(predicted, box or (0, 0, 0, 0)) for box in candidates.extents]
            scores = [
                self._weight * moved + (1 - self._weight) * iou
                for moved, iou in zip(motion, candidates.ious, strict=True)
            ]
            choice = max(range(len(scores)), key=scores.__getitem__)
            self._motion_score = motion[choice]
        iou = candidates.ious[choice]
        # The released code has "greater than" before the filter is steady, "not less than" after.
        if iou < _STEADY_IOU or (iou == _STEADY_IOU and not steady):
            self._steady = 0
        else:
            self._filter.correct(candidates.extents[choice])
            self._steady += not steady
        return choice

    def keep(self, record: FrameRecord) -> Keeping:
        """Return what is remembered of a frame."""
        self._remember(record.step)
        moved = self._motion_score is None or self._motion_score > 0
        good = record.iou > _GOOD_IOU and record.object_score > 0 and moved
        if good and record.step >= self._first_step:
            self._good = [*self._good, record.step][-NUM_SLOTS:]
        return "recent"

    def recall(self, step: int) -> Recall:
        """Return what is read on a coming frame."""
        chosen = list(self._good)
        if step - 1 in self._seen and step - 1 not in chosen:
            chosen.append(step - 1)
        newest_first = chosen[::-1][:NUM_SLOTS]
        return Recall(
            features=dict(enumerate(newest_first, start=1)),
            pointers=super().recall(step).pointers,
        )

    def held(self) -> Held:
        """Return which frames may yet be recalled."""
        before = {max(self._seen)} if self._seen else set()
        return Held({*self._good, *before}, self._seen)
