"""The two memories of DAM4SAM: one of the recent past, one that tells twins apart."""

from __future__ import annotations

from collections import deque

import numpy as np

from videoseg.types import BoolArray
from videoseg_sam2.policies.box_filter import box_iou
from videoseg_sam2.policy import (
    NUM_POINTERS,
    NUM_SLOTS,
    Candidates,
    Extent,
    FrameRecord,
    Held,
    Keeping,
    MemoryBounds,
    MemoryPolicy,
    Recall,
    extent_of,
)

__all__ = ["DistractorAware"]

# Settings of the paper: a frame counts in the recent memory every so many steps; the distractor
# memory takes a frame if its IoU is above this, its area near the median of the last areas, and
# the last one it took is further back than so many steps.
_STRIDE, _GOOD_IOU, _PAUSE = 5, 0.8, 5
_AREA_RATIO = (0.8, 1.2)
_NUM_AREAS, _AREA_STEPS = 10, 300
# Boxes that overlap less show that a candidate that lost covers something else, too.
_DISTRACTOR_IOU = 0.7
# As in the authors' version for several objects, so that the memory is bounded.
_NUM_ANCHORS = 3


class DistractorAware(MemoryPolicy):
    """DAM4SAM (arXiv 2411.17576, section 3), with the bound of the authors' multi-object version.

    The recent memory has the last frame in which the object is visible and visible frames at every
    fifth step. The distractor-resolving memory has up to three frames, read like prompts, in which
    the object was found for sure while another candidate covered something beside it. Together
    they have six frames. Frames without the object are not remembered.
    """

    bounds = MemoryBounds(NUM_SLOTS, NUM_POINTERS + _NUM_ANCHORS)

    def __init__(self) -> None:
        super().__init__()
        self._anchors: tuple[int, ...] = ()
        self._last_anchor = 0
        self._last_visible: int | None = None
        self._strided: tuple[int, ...] = ()
        self._areas: deque[tuple[int, int]] = deque(maxlen=_NUM_AREAS)
        self._sees_distractor = False

    def prompted(self, record: FrameRecord) -> None:
        """Take note of a prompted frame."""
        self._last_anchor = record.step
        self._note_area(record)

    def choose(self, candidates: Candidates) -> int:
        """Return the index of the candidate that is the object."""
        choice = candidates.best
        self._sees_distractor = _shows_distractor(candidates.masks, choice)
        return choice

    def keep(self, record: FrameRecord) -> Keeping:
        """Return what is remembered of a frame."""
        if record.area == 0:
            return "nothing"
        usual = self._usual_area(record.step)
        self._note_area(record)
        self._remember(record.step)
        low, high = _AREA_RATIO
        if (
            self._sees_distractor
            and record.iou > _GOOD_IOU
            and usual is not None
            and low <= record.area / usual <= high
            and record.step - self._last_anchor > _PAUSE
        ):
            self._anchors = (*self._anchors, record.step)[-_NUM_ANCHORS:]
            self._last_anchor = record.step
            return "anchor"
        self._last_visible = record.step
        if record.step % _STRIDE == 0:
            self._strided = (*self._strided, record.step)[-NUM_SLOTS:]
        return "recent"

    def recall(self, step: int) -> Recall:
        """Return what is read on a coming frame."""
        return Recall(
            anchors=self._anchors,
            features=dict(enumerate(self._recent(), start=1)),
            pointers={
                step - seen: seen
                for seen in sorted(self._seen, reverse=True)
                if step - seen <= NUM_POINTERS and seen not in self._anchors
            },
        )

    def held(self) -> Held:
        """Return which frames may yet be recalled."""
        return Held({*self._anchors, *self._recent()}, {*self._anchors, *self._seen})

    def _recent(self) -> tuple[int, ...]:
        """Return the frames of the recent memory, the newest first."""
        visible = () if self._last_visible is None else (self._last_visible,)
        older = (step for step in self._strided[::-1] if step not in visible)
        return (*visible, *older)[: NUM_SLOTS - len(self._anchors)]

    def _note_area(self, record: FrameRecord) -> None:
        if record.area:
            self._areas.append((record.step, record.area))

    def _usual_area(self, step: int) -> float | None:
        areas = [area for seen, area in self._areas if seen > step - _AREA_STEPS]
        return float(np.median(areas)) if areas else None


def _shows_distractor(masks: BoolArray, choice: int) -> bool:
    """Return whether a candidate that lost covers something apart from the one chosen.

    Args:
        masks: The candidates, shape (K, h, w).
        choice: Index of the one chosen.
    """
    chosen = masks[choice]
    own = _box(extent_of(chosen))
    if own is None:
        return False
    for index, other in enumerate(masks):
        part = None if index == choice else _largest_part(other & ~chosen)
        joined = None if part is None else _box(extent_of(chosen | part))
        if joined is not None and box_iou(joined, own) <= _DISTRACTOR_IOU:
            return True
    return False


def _box(extent: Extent | None) -> tuple[float, ...] | None:
    if extent is None:
        return None
    left, top, right, bottom = extent
    return left, top, right + 1, bottom + 1


def _largest_part(mask: BoolArray) -> BoolArray | None:
    """Return the largest connected part of a mask (8 neighbors); None if it is empty."""
    import cv2

    if not mask.any():
        return None
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    largest: BoolArray = labels == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    return largest
