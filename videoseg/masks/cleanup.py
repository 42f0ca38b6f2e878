"""Remove what segmenters leave behind: specks and holes."""

from __future__ import annotations

import numpy as np

from videoseg.errors import ConfigError
from videoseg.types.arrays import BoolArray, IntArray, as_mask

__all__ = ["fill_holes", "largest_component", "remove_specks"]


def largest_component(mask: BoolArray) -> BoolArray:
    """Return the largest 8-connected part of a mask; the topmost one on a tie.

    Args:
        mask: Shape (H, W).

    Returns:
        Shape (H, W), dtype bool. All False if the mask is empty.

    Raises:
        ShapeError: If the mask is not two-dimensional.

    Example:
        >>> largest_component(np.array([[1, 0, 1, 1]], bool))
        array([[False, False,  True,  True]])
    """
    mask = as_mask(mask)
    labels, areas = _components(mask, connectivity=8)
    if areas.size <= 1:
        return mask.copy()
    largest: BoolArray = labels == 1 + int(np.argmax(areas))
    return largest


def remove_specks(mask: BoolArray, min_area: int) -> BoolArray:
    """Drop the 8-connected parts with fewer pixels than ``min_area``.

    Args:
        mask: Shape (H, W).
        min_area: Pixels a part needs to stay, at least 0.

    Returns:
        Shape (H, W), dtype bool; all False if every part was a speck.

    Raises:
        ShapeError: If the mask is not two-dimensional.
        ConfigError: If ``min_area`` is negative.
    """
    mask = as_mask(mask)
    _require_area("min_area", min_area)
    labels, areas = _components(mask, connectivity=8)
    kept = np.concatenate([[False], areas >= min_area])
    result: BoolArray = kept[labels]
    return result


def fill_holes(mask: BoolArray, max_area: int | None = None) -> BoolArray:
    """Fill the background regions that the mask encloses.

    A region is enclosed if no 4-connected path leads from it to the frame's edge.

    Args:
        mask: Shape (H, W).
        max_area: Only holes of at most this many pixels are filled; all by default.

    Returns:
        Shape (H, W), dtype bool.

    Raises:
        ShapeError: If the mask is not two-dimensional.
        ConfigError: If ``max_area`` is negative.
    """
    mask = as_mask(mask)
    if max_area is not None:
        _require_area("max_area", max_area)
    labels, areas = _components(~mask, connectivity=4)
    hole = np.concatenate([[False], np.ones(areas.size, bool)])
    for edge in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        hole[edge] = False
    if max_area is not None:
        hole[1:] &= areas <= max_area
    filled: BoolArray = mask | hole[labels]
    return filled


def _components(mask: BoolArray, *, connectivity: int) -> tuple[IntArray, IntArray]:
    """Label the parts 1..N; return labels (H, W) and the area of each part (N,)."""
    import cv2

    count, labels, stats, _ = cv2.connectedComponentsWithStats(
        np.ascontiguousarray(mask).view(np.uint8), connectivity=connectivity
    )
    return np.asarray(labels, np.int32), np.asarray(stats[1:count, cv2.CC_STAT_AREA], np.int64)


def _require_area(name: str, value: int) -> None:
    if value < 0:
        raise ConfigError(f"{name} is a number of pixels and must be at least 0, got {value}")
