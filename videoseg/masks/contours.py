"""Outlines of masks, for drawing."""

from __future__ import annotations

import numpy as np

from videoseg.errors import ConfigError
from videoseg.types.arrays import BoolArray, IntArray, as_mask

__all__ = ["contour_polygons", "inner_boundary"]


def contour_polygons(mask: BoolArray) -> list[IntArray]:
    """Return the closed outlines of a mask, around its parts and around its holes.

    Args:
        mask: Shape (H, W).

    Returns:
        One array of shape (P, 2) and dtype int32 for each outline: the (x, y) of the mask's
        outermost pixels in order. Straight runs keep only their ends.

    Raises:
        ShapeError: If the mask is not two-dimensional.
    """
    import cv2

    mask = as_mask(mask)
    found, _ = cv2.findContours(
        np.ascontiguousarray(mask).view(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE
    )
    return [np.asarray(polygon, np.int32).reshape(-1, 2) for polygon in found]


def inner_boundary(mask: BoolArray, thickness: int = 1) -> BoolArray:
    """Return the mask's pixels within ``thickness`` pixels of its outside.

    The frame's edge counts as outside, so a mask that fills the frame has a boundary.

    Args:
        mask: Shape (H, W).
        thickness: Width of the band in pixels, at least 1.

    Returns:
        Shape (H, W), dtype bool; a part of the mask.

    Raises:
        ShapeError: If the mask is not two-dimensional.
        ConfigError: If the thickness is below 1.
    """
    import cv2

    mask = as_mask(mask)
    if thickness < 1:
        raise ConfigError(f"thickness must be at least 1 pixel, got {thickness}")
    eroded = cv2.erode(
        np.ascontiguousarray(mask).view(np.uint8),
        np.ones((3, 3), np.uint8),
        iterations=thickness,
        borderType=cv2.BORDER_CONSTANT,
        borderValue=0,
    )
    band: BoolArray = mask & (eroded == 0)
    return band
