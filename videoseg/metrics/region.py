"""J: region similarity."""

from __future__ import annotations

import numpy as np

from videoseg.errors import ShapeError
from videoseg.types import BoolArray, FloatArray

__all__ = ["region_j", "require_same_video_shape"]


def region_j(pred: BoolArray, target: BoolArray) -> FloatArray:
    """Return the Jaccard index of each frame.

    Args:
        pred: Predicted masks, shape (T, H, W).
        target: Ground-truth masks, shape (T, H, W).

    Returns:
        Scores in [0, 1], shape (T,). A frame where both are empty scores 1, as in the
        official DAVIS evaluation.

    Raises:
        ShapeError: If the shapes differ or are not (T, H, W).

    Example:
        >>> import numpy as np
        >>> region_j(np.ones((1, 2, 2), bool), np.ones((1, 2, 2), bool))
        array([1.])
    """
    pred, target = require_same_video_shape(pred, target)
    intersection = np.count_nonzero(pred & target, axis=(1, 2))
    union = np.count_nonzero(pred | target, axis=(1, 2))
    return np.where(union > 0, intersection / np.maximum(union, 1), 1.0)


def require_same_video_shape(pred: BoolArray, target: BoolArray) -> tuple[BoolArray, BoolArray]:
    """Return both as bool arrays, or raise ``ShapeError`` if they are not alike (T, H, W)."""
    pred, target = np.asarray(pred), np.asarray(target)
    if target.ndim != 3:
        raise ShapeError("target", actual=target.shape, expected="(T, H, W)")
    if pred.shape != target.shape:
        raise ShapeError("pred", actual=pred.shape, expected=str(target.shape))
    return pred.astype(bool, copy=False), target.astype(bool, copy=False)
