"""F: boundary accuracy, as the official DAVIS evaluation defines it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from videoseg.metrics.region import require_same_video_shape
from videoseg.types import BoolArray, FloatArray

__all__ = ["boundary_f"]

ByteMask: TypeAlias = npt.NDArray[np.uint8]


def boundary_f(pred: BoolArray, target: BoolArray, *, tolerance: float = 0.008) -> FloatArray:
    """Return the boundary F-measure of each frame.

    Args:
        pred: Predicted masks, shape (T, H, W).
        target: Ground-truth masks, shape (T, H, W).
        tolerance: How far apart two boundary pixels may be and still match: a fraction of
            the image diagonal (rounded up to whole pixels) if below 1, else pixels.

    Returns:
        Scores in [0, 1], shape (T,). Both empty scores 1, one empty scores 0 (Perazzi et al.,
        CVPR 2016, and the davis2017-evaluation package).

    Raises:
        ShapeError: If the shapes differ or are not (T, H, W).
    """
    pred, target = require_same_video_shape(pred, target)
    height, width = target.shape[1:]
    radius = tolerance if tolerance >= 1 else math.ceil(tolerance * math.hypot(height, width))
    rectangles = _disk_as_rectangles(radius)
    return np.array(
        [_frame_f(p, t, rectangles) for p, t in zip(pred, target, strict=True)], dtype=np.float64
    )


def _frame_f(pred: BoolArray, target: BoolArray, rectangles: Sequence[tuple[int, int]]) -> float:
    import cv2

    rows, columns = _shared_crop(pred.view(np.uint8), target.view(np.uint8))
    pred_boundary = _boundary_map(pred[rows, columns].view(np.uint8))
    target_boundary = _boundary_map(target[rows, columns].view(np.uint8))
    num_pred, num_target = cv2.countNonZero(pred_boundary), cv2.countNonZero(target_boundary)
    if num_pred == 0 and num_target == 0:
        return 1.0
    if num_pred == 0 or num_target == 0:
        return 0.0
    matched_pred = cv2.countNonZero(pred_boundary & _dilated(target_boundary, rectangles))
    matched_target = cv2.countNonZero(target_boundary & _dilated(pred_boundary, rectangles))
    precision, recall = matched_pred / num_pred, matched_target / num_target
    return 2 * precision * recall / (precision + recall) if precision + recall > 0 else 0.0


def _shared_crop(pred: ByteMask, target: ByteMask) -> tuple[slice, slice]:
    """Return the rows and columns that hold both masks and one pixel around them."""
    import cv2

    left, top, right, bottom = pred.shape[1], pred.shape[0], 0, 0
    for mask in (pred, target):
        x, y, width, height = cv2.boundingRect(mask)
        if width > 0:
            left, top = min(left, x), min(top, y)
            right, bottom = max(right, x + width), max(bottom, y + height)
    if right == 0:
        return slice(0, 1), slice(0, 1)
    return (
        slice(max(0, top - 1), min(pred.shape[0], bottom + 1)),
        slice(max(0, left - 1), min(pred.shape[1], right + 1)),
    )


def _boundary_map(mask: ByteMask) -> ByteMask:
    # A pixel is on the boundary if its right, lower or lower-right neighbour differs; the
    # last row and column only look along themselves (the official seg2bmap).
    boundary = np.zeros_like(mask)
    corner, inner = mask[:-1, :-1], boundary[:-1, :-1]
    np.bitwise_xor(corner, mask[:-1, 1:], out=inner)
    inner |= corner ^ mask[1:, :-1]
    inner |= corner ^ mask[1:, 1:]
    boundary[-1, :-1] = mask[-1, :-1] ^ mask[-1, 1:]
    boundary[:-1, -1] = mask[:-1, -1] ^ mask[1:, -1]
    return boundary


@lru_cache(maxsize=64)
def _disk_as_rectangles(radius: float) -> tuple[tuple[int, int], ...]:
    """Return (half width, half height) of rectangles whose union is the disk."""
    widths = [math.isqrt(int(radius * radius - dy * dy)) for dy in range(int(radius) + 1)]
    last = len(widths) - 1
    return tuple(
        (width, dy) for dy, width in enumerate(widths) if dy == last or widths[dy + 1] < width
    )


def _dilated(boundary: ByteMask, rectangles: Sequence[tuple[int, int]]) -> ByteMask:
    import cv2

    # Dilating by a rectangle takes two fast passes, by a disk hundreds of look-ups a pixel.
    dilated = np.zeros_like(boundary)
    for half_width, half_height in rectangles:
        kernel = np.ones((2 * half_height + 1, 2 * half_width + 1), np.uint8)
        cv2.max(dilated, cv2.dilate(boundary, kernel), dst=dilated)
    return dilated
