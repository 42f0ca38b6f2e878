"""Measures how sharp, compact and steady the outline of a region is."""

from __future__ import annotations

import numpy as np

from videoseg.types import BoolArray, FloatArray, Frame

__all__ = ["boundary_contrast", "outline_score", "solidity"]

_REACH = 4  # pixels on each side of the outline that are compared
_AROUND = 12  # pixels around a mask that are looked at: the reach and that of the blur
_VISIBLE_STEP = 14.0  # difference in CIE Lab that is seen as an edge in a textured scene

# Set by hand while looking at drawn clips and the seven real clips of attributes_mevis_mini.py.
_BLUR = 0.8  # pixels; standard deviation
_SHARP_INSIDE, _SHARP_AT_BORDER = (0.5, 0.9), (0.8, 0.9)  # contrast: from 0 to full score
_UNSTEADY, _STEADY_OVER = 0.05, 0.03  # relative change of area: from, over
_LARGEST_VALUE = 255.0  # of an 8-bit channel


def boundary_contrast(frame: Frame, mask: BoolArray) -> float:
    """Return the fraction of a mask's outline at which the color changes, in [0, 1].

    Args:
        frame: RGB uint8, shape (H, W, 3).
        mask: Shape (H, W). Where it touches the border, its outline is not counted.

    Returns:
        The fraction; 0 if too little of the outline lies inside the frame.
    """
    import cv2

    solid = mask.astype(np.uint8)
    left, top, width, height = cv2.boundingRect(solid)
    rows = slice(max(0, top - _AROUND), top + height + _AROUND)
    columns = slice(max(0, left - _AROUND), left + width + _AROUND)
    at_border = np.ones(mask.shape, dtype=bool)
    at_border[2:-2, 2:-2] = False
    frame, mask, solid = frame[rows, columns], mask[rows, columns], solid[rows, columns]
    if not solid.any():
        return 0.0
    lab = cv2.cvtColor(
        cv2.GaussianBlur(frame, (0, 0), _BLUR).astype(np.float32) / np.float32(_LARGEST_VALUE),
        cv2.COLOR_RGB2LAB,
    )
    small = np.ones((3, 3), np.uint8)
    inner = np.asarray(cv2.erode(solid, small), dtype=np.uint8)
    outer = np.asarray(1 - cv2.dilate(solid, small), dtype=np.uint8)
    inside, num_inside = _local_mean(np.asarray(lab), inner)
    outside, num_outside = _local_mean(np.asarray(lab), outer)
    outline = mask & ~inner.astype(bool) & ~at_border[rows, columns]
    outline &= (num_inside > 3) & (num_outside > 3)
    if outline.sum() < 8:
        return 0.0
    steps = np.linalg.norm(inside[outline] - outside[outline], axis=-1)
    return float((steps > _VISIBLE_STEP).mean())


def solidity(mask: BoolArray) -> float:
    """Return a mask's area over that of its convex hull, in [0, 1]; 0 for an empty mask."""
    import cv2

    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not contours:
        return 0.0
    hull = cv2.convexHull(np.vstack(list(contours)))
    return min(1.0, float(mask.sum()) / max(1.0, cv2.contourArea(hull)))


def outline_score(contrast: float, changes: FloatArray, *, at_border: bool) -> float:
    """Return how sharply and steadily a region is bounded, in [0, 1].

    Args:
        contrast: Its usual ``boundary_contrast``.
        changes: Relative change of its area from one surveyed frame to the next.
        at_border: Whether it touches the border of the frame most of the time. Less of its
            outline is then visible, and that must be sharper.
    """
    # Only the steadier frames count: an occlusion changes the area, too.
    unrest = float(np.percentile(changes, 30)) if len(changes) else 0.0
    low, high = _SHARP_AT_BORDER if at_border else _SHARP_INSIDE
    sharp = np.clip((contrast - low) / (high - low), 0, 1)
    steady = np.clip((_UNSTEADY - unrest) / _STEADY_OVER, 0, 1)
    return float(sharp * steady)


def _local_mean(image: FloatArray, chosen: Frame) -> tuple[FloatArray, FloatArray]:
    """Return the mean of the chosen pixels around each pixel, and how many there are."""
    import cv2

    size = (2 * _REACH + 1, 2 * _REACH + 1)
    weights = chosen.astype(np.float32)
    border = cv2.BORDER_CONSTANT
    chosen_pixels = image * weights[..., None]
    count = cv2.boxFilter(weights, -1, size, normalize=False, borderType=border)
    total = cv2.boxFilter(chosen_pixels, -1, size, normalize=False, borderType=border)
    return total / np.maximum(count, np.float32(1))[..., None], np.asarray(count)
