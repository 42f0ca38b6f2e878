"""From shares on the refinement grid to masks of the source's size."""

from __future__ import annotations

import numpy as np

from videoseg.types import BoolArray, Size
from videoseg_attributes.propagation.competition import Competition

__all__ = ["masks_from_shares"]

# Parts of an object smaller than this part of its largest one are noise.
_SMALLEST_PART = 0.03


def masks_from_shares(competition: Competition, size: Size) -> dict[int, BoolArray]:
    """Return each object's mask, (H, W); all False for one that is not visible.

    A pixel belongs to the class with the largest share, so masks do not overlap.
    """
    import cv2

    height, width = size
    shares = competition.posteriors
    masks: dict[int, BoolArray] = {}
    background = np.ascontiguousarray(shares[..., 0])
    best = np.asarray(cv2.resize(background, (width, height), interpolation=cv2.INTER_LINEAR))
    for number, object_id in enumerate(competition.object_ids, start=1):
        if not competition.visible(object_id):
            masks[object_id] = np.zeros(size, dtype=bool)
            continue
        share = np.ascontiguousarray(shares[..., number])
        large = np.asarray(cv2.resize(share, (width, height), interpolation=cv2.INTER_LINEAR))
        mine = large > best
        for earlier in masks.values():
            earlier &= ~mine
        best = np.maximum(best, large)
        masks[object_id] = mine
    return {object_id: _without_specks(mask) for object_id, mask in masks.items()}


def _without_specks(mask: BoolArray) -> BoolArray:
    import cv2

    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if len(rows) == 0:
        return mask
    inside = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(
        mask[inside].astype(np.uint8), connectivity=8
    )
    if count > 2:
        areas = stats[1:, cv2.CC_STAT_AREA]
        keep = np.concatenate([[False], areas >= _SMALLEST_PART * areas.max()])
        mask[inside] = keep[labels]
    return mask
