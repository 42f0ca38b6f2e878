"""A point that stands for a mask."""

from __future__ import annotations

import numpy as np

from videoseg.types.arrays import BoolArray, as_mask
from videoseg.types.geometry import Point

__all__ = ["inner_point"]


def inner_point(mask: BoolArray) -> Point | None:
    """Return the point of a mask that lies deepest inside it.

    A better click than the centroid, which may fall outside a bent object.

    Args:
        mask: Shape (H, W).

    Returns:
        The middle of the pixel farthest from the outside (the frame's edge counts as outside;
        the topmost, then leftmost one on a tie), or None if the mask is empty.

    Raises:
        ShapeError: If the mask is not two-dimensional.

    Example:
        >>> mask = np.zeros((5, 9), bool)
        >>> mask[1:4, 2:5] = True
        >>> inner_point(mask)
        Point(x=3.5, y=2.5)
    """
    import cv2

    mask = as_mask(mask)
    if not mask.any():
        return None
    padded = np.pad(mask.view(np.uint8), 1)
    depth = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    y, x = np.unravel_index(int(np.argmax(depth)), mask.shape)
    return Point(int(x) + 0.5, int(y) + 0.5)
