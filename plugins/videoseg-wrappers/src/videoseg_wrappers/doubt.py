"""Doubt about the masks of any propagator, measured from the masks and the frames alone."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from videoseg.masks import bounding_slices, iou
from videoseg.types import BoolArray, Frame

__all__ = ["Doubt", "ObjectWatch", "Thresholds", "color_histogram", "likeness"]

Histogram = npt.NDArray[np.floating[Any]]

_BINS = (8, 12, 12)  # of lightness, a and b; set by hand, fine enough to part skin from sand
_REMEMBERED_AREAS = 8
_SMALLEST = 16  # pixels; colors and parts of less say nothing
_REFERENCES = 4
# Frames between two references of an object's colors, and how like the earlier ones a new one
# must be: an object that turns is learned, another object is not.
_REFERENCE_STEP, _REFERENCE_LIKENESS = 10, 0.6


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From where on a mask is in doubt; None switches a measure off.

    ``overlap`` is that of StreamingRVOS (tau 2, of which 0.2 was the best of 0, 0.1 and 0.2). The
    others lie beyond the 0.1 % quantile of true masks, on seven clips of DAVIS with 431 frames of
    240 lines (``tests/benchmarks/doubt_davis.py``): a growth of 1.8, a wholeness of 0.41, a
    likeness of 0.68, and an overlap of 0.37. Pieces of the ground beside the object have a
    likeness below 0.6 in 95 of 100 cases. ``lost_frames`` was set by hand.

    Args:
        overlap: Least intersection over union with the mask of the frame before.
        growth: Largest factor by which the area may differ from the median of the last 8 frames,
            either way; not judged at the border of the frame, where objects enter and leave.
        wholeness: Least share of the mask in its largest connected part.
        likeness: Least share of its colors that the object had before.
        lost_frames: After how many frames without a pixel an object counts as lost.
    """

    overlap: float | None = 0.2
    growth: float | None = 2.5
    wholeness: float | None = 0.35
    likeness: float | None = 0.6
    lost_frames: int | None = 3


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why a mask is in doubt.

    Args:
        cause: The measure: a name of ``Thresholds``.
        text: In words, such as ``its mask is empty``.
    """

    cause: str
    text: str


@dataclass(slots=True)
class ObjectWatch:
    """What is remembered of one object, bounded whatever the length of the video.

    Args:
        thresholds: When a mask is in doubt.
    """

    thresholds: Thresholds
    _areas: deque[int] = field(default_factory=lambda: deque(maxlen=_REMEMBERED_AREAS))
    _last: BoolArray | None = None
    _references: list[Histogram] = field(default_factory=list)
    _since_reference: int = 0
    _num_empty: int = 0
    _has_been_seen: bool = False

    def begin(self, frame: Frame, mask: BoolArray) -> None:
        """Take a mask that is known to be right, such as that of a prompt.

        Args:
            frame: RGB uint8, shape (H, W, 3).
            mask: Shape (H, W).
        """
        self._areas.clear()
        self._last, self._num_empty = mask, 0
        if mask.any():
            self._has_been_seen = True
            self._areas.append(int(mask.sum()))
            self._add_reference(color_histogram(frame, mask))

    def find_doubt(self, frame: Frame, mask: BoolArray) -> Doubt | None:
        """Return the first reason to doubt a mask; None if there is none.

        Args:
            frame: RGB uint8, shape (H, W, 3).
            mask: Shape (H, W).
        """
        limits, area = self.thresholds, int(mask.sum())
        if area == 0:
            lost = limits.lost_frames
            if lost is not None and self._has_been_seen and self._num_empty + 1 >= lost:
                return Doubt("lost", f"it has had no mask on {self._num_empty + 1} frames")
            return None
        if limits.overlap is not None and self._last is not None and self._last.any():
            overlap = iou(self._last, mask)
            if overlap < limits.overlap:
                return Doubt("overlap", f"its mask jumped (IoU {overlap:.2f} with the last)")
        if limits.growth is not None and len(self._areas) >= _REMEMBERED_AREAS // 2:
            usual = float(np.median(self._areas))
            factor = max(area / usual, usual / area)
            if factor > limits.growth and not _touches_border(mask):
                change = "grew" if area > usual else "shrank"
                return Doubt("growth", f"its mask {change} {factor:.1f} times")
        if area < _SMALLEST:
            return None
        if limits.wholeness is not None and (whole := wholeness(mask)) < limits.wholeness:
            return Doubt(
                "wholeness", f"its mask fell to pieces (the largest has {whole:.0%} of it)"
            )
        if limits.likeness is not None and self._references:
            like = self.likeness(frame, mask)
            if like < limits.likeness:
                return Doubt("likeness", f"its colors changed (likeness {like:.2f})")
        return None

    def keep(self, frame: Frame, mask: BoolArray, *, trusted: bool) -> None:
        """Remember a mask that goes out.

        Args:
            frame: RGB uint8, shape (H, W, 3).
            mask: Shape (H, W).
            trusted: Whether it was not in doubt.
        """
        area = int(mask.sum())
        self._num_empty = 0 if area else self._num_empty + 1
        self._has_been_seen |= area > 0
        if area:
            self._last = mask
        if not (trusted and area):
            return
        self._areas.append(area)
        self._since_reference += 1
        if self._since_reference >= _REFERENCE_STEP and area >= _SMALLEST:
            histogram = color_histogram(frame, mask)
            if max((likeness(histogram, one) for one in self._references), default=1.0) >= (
                _REFERENCE_LIKENESS
            ):
                self._add_reference(histogram)

    def likeness(self, frame: Frame, mask: BoolArray) -> float:
        """Return how far the colors in a mask are those of the object, in [0, 1]."""
        if not self._references or not mask.any():
            return 0.0
        histogram = color_histogram(frame, mask)
        return max(likeness(histogram, one) for one in self._references)

    def _add_reference(self, histogram: Histogram) -> None:
        # Half precision: shares of colors need no more, and an object in a session has four.
        self._references.append(histogram.astype(np.float16))
        self._since_reference = 0
        if len(self._references) > _REFERENCES:
            # The first is the only one that is known to be right.
            del self._references[1]


def color_histogram(frame: Frame, mask: BoolArray) -> Histogram:
    """Return the shares of colors inside a mask, in Lab, shape (8 * 12 * 12,); they add up to 1.

    Args:
        frame: RGB uint8, shape (H, W, 3).
        mask: Shape (H, W); at least one pixel.
    """
    import cv2

    area = bounding_slices(mask)
    if area is None:
        return np.zeros(int(np.prod(_BINS)), dtype=np.float32)
    lab = cv2.cvtColor(np.ascontiguousarray(frame[area]), cv2.COLOR_RGB2Lab)[mask[area]]
    light, a, b = _BINS
    bins = lab[:, 0].astype(np.intp) * light // 256
    # a and b lie around 128; few colors are further than 64 from grey.
    sides = np.clip(lab[:, 1:].astype(np.intp) - 64, 0, 127) * np.array([a, b]) // 128
    bins = (bins * a + sides[:, 0]) * b + sides[:, 1]
    counts = np.bincount(bins, minlength=int(np.prod(_BINS))).astype(np.float32)
    # Smoothed over neighbors, so that a change of light does not move all of a color's pixels.
    blurred = cv2.blur(counts.reshape(light, a * b), (1, 3), borderType=cv2.BORDER_REPLICATE)
    smooth = np.mean([np.roll(blurred.reshape(_BINS), n, axis=1) for n in (-1, 0, 1)], axis=0)
    return np.asarray(smooth.ravel() / max(float(smooth.sum()), 1e-6), dtype=np.float32)


def likeness(first: Histogram, second: Histogram) -> float:
    """Return the intersection of two histograms, in [0, 1]."""
    return float(np.minimum(first, second).sum(dtype=np.float64))


def wholeness(mask: BoolArray) -> float:
    """Return the share of a mask that lies in its largest connected part, in [0, 1]."""
    import cv2

    area = bounding_slices(mask)
    if area is None:
        return 1.0
    inside = np.ascontiguousarray(mask[area].astype(np.uint8))
    _, _, facts, _ = cv2.connectedComponentsWithStats(inside, connectivity=8)
    parts = facts[1:, cv2.CC_STAT_AREA]
    return float(parts.max() / parts.sum())


def _touches_border(mask: BoolArray) -> bool:
    return bool(mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any())
