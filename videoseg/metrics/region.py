"""J: region similarity."""

from __future__ import annotations

from videoseg.metrics.overlap import tally_arrays
from videoseg.types import BoolArray, FloatArray

__all__ = ["region_j"]


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
    return tally_arrays(pred, target).region
