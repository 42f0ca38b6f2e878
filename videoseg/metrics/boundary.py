"""F: boundary accuracy, as the official DAVIS evaluation defines it."""

from __future__ import annotations

import math

import numpy as np

from videoseg.metrics.region import require_same_video_shape
from videoseg.types import BoolArray, FloatArray

__all__ = ["boundary_f"]


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
    return np.array(
        [_frame_f(p, t, radius) for p, t in zip(pred, target, strict=True)], dtype=np.float64
    )


def _frame_f(pred: BoolArray, target: BoolArray, radius: float) -> float:
    pred_boundary, target_boundary = _boundary_map(pred), _boundary_map(target)
    num_pred, num_target = int(pred_boundary.sum()), int(target_boundary.sum())
    if num_pred == 0 and num_target == 0:
        return 1.0
    if num_pred == 0 or num_target == 0:
        return 0.0
    precision = np.count_nonzero(pred_boundary & _near(target_boundary, radius)) / num_pred
    recall = np.count_nonzero(target_boundary & _near(pred_boundary, radius)) / num_target
    return 2 * precision * recall / (precision + recall) if precision + recall > 0 else 0.0


def _boundary_map(mask: BoolArray) -> BoolArray:
    # A pixel is on the boundary if its right, lower or lower-right neighbour differs; the
    # last row and column only look along themselves (the official seg2bmap).
    boundary = np.zeros_like(mask)
    boundary[:-1, :-1] = (
        (mask[:-1, :-1] ^ mask[:-1, 1:])
        | (mask[:-1, :-1] ^ mask[1:, :-1])
        | (mask[:-1, :-1] ^ mask[1:, 1:])
    )
    boundary[-1, :-1] = mask[-1, :-1] ^ mask[-1, 1:]
    boundary[:-1, -1] = mask[:-1, -1] ^ mask[1:, -1]
    return boundary


def _near(boundary: BoolArray, radius: float) -> BoolArray:
    import cv2

    distance = cv2.distanceTransform(
        (~boundary).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE
    )
    # Distances are square roots of integers in float32; the slack absorbs their rounding.
    near: BoolArray = distance <= radius + 1e-3
    return near
