"""Which of two things passes in front of the other, by what is hidden when they meet."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from videoseg.types import BoolArray, FloatArray

__all__ = ["depth_order"]

_HIDDEN = 0.9  # of its usual area: below this, part of a thing is hidden
_CLEARER = 0.08  # by which the other one must show more of itself
_LEAST_EVIDENCE = 0.25


def depth_order(masks: Sequence[Sequence[BoolArray | None]]) -> tuple[tuple[int, int], ...]:
    """Return pairs (front, behind) of tracks for which one was seen to hide the other.

    Where two things touch, the one that shows less of its usual area is behind.

    Args:
        masks: For each track its mask on each frame, shape (h, w); None where not visible.
    """
    areas = [
        np.array([0.0 if mask is None else float(mask.sum()) for mask in track]) for track in masks
    ]
    shown = [_share_shown(track, area) for track, area in zip(masks, areas, strict=True)]
    pairs: list[tuple[int, int]] = []
    for first in range(len(masks)):
        for second in range(first + 1, len(masks)):
            evidence = _evidence(masks[first], masks[second], shown[first], shown[second])
            if evidence > _LEAST_EVIDENCE:
                pairs.append((first, second))
            elif evidence < -_LEAST_EVIDENCE:
                pairs.append((second, first))
    return tuple(pairs)


def _share_shown(track: Sequence[BoolArray | None], areas: FloatArray) -> FloatArray:
    """Return how much of a thing shows on each frame, beside its usual area at that time."""
    seen = areas[areas > 0]
    if len(seen) == 0:
        return np.zeros(len(areas))
    # A thing that comes nearer grows: compare with the largest areas of the frames around.
    reach = max(2, len(areas) // 3)
    usual = np.array(
        [
            np.percentile(around[around > 0], 85) if (around > 0).any() else np.median(seen)
            for around in (areas[max(0, p - reach) : p + reach + 1] for p in range(len(areas)))
        ]
    )
    shown: FloatArray = np.minimum(areas / usual, 1.0)
    for position, mask in enumerate(track):
        # At the border a thing is cut by the frame, not by another thing.
        if mask is not None and (
            mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any()
        ):
            shown[position] = 1.0
    return shown


def _evidence(
    first: Sequence[BoolArray | None],
    second: Sequence[BoolArray | None],
    first_shown: FloatArray,
    second_shown: FloatArray,
) -> float:
    """Return how far the first is seen in front (> 0) or behind (< 0)."""
    evidence = 0.0
    for position, (one, other) in enumerate(zip(first, second, strict=True)):
        shares = first_shown[position], second_shown[position]
        if one is None and other is None:
            continue
        if one is None or other is None:
            # Gone since the last frame, on which both touched: wholly covered.
            if position == 0 or first[position - 1] is None or second[position - 1] is None:
                continue
            if _touch(first[position - 1], second[position - 1]):
                evidence += 0.5 if other is None else -0.5
            continue
        if not _touch(one, other):
            continue
        difference = shares[0] - shares[1]
        if abs(difference) > _CLEARER and min(shares) < _HIDDEN:
            evidence += float(difference)
    return evidence


def _touch(one: BoolArray | None, other: BoolArray | None) -> bool:
    import cv2

    if one is None or other is None:
        return False
    near = cv2.dilate(one.astype(np.uint8), np.ones((7, 7), np.uint8))
    return int((near.astype(bool) & other).sum()) >= 3
