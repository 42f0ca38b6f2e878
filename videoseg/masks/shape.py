"""The shape of one mask: its extent, its parts, points inside it, its outlines."""

from __future__ import annotations

import numpy as np

from videoseg.errors import ConfigError
from videoseg.types.arrays import BoolArray, IntArray, as_mask
from videoseg.types.geometry import Box, Point

__all__ = [
    "bounding_box",
    "bounding_slices",
    "contour_polygons",
    "inner_points",
    "joined_outline",
    "remove_specks",
]

# Points beside the deepest one lie at least this share of its depth inside the mask.
_LEAST_DEPTH = 0.3

# Distances that are in memory at a time, 16 bytes each.
_MOST_PAIRS = 1 << 20


def bounding_slices(mask: BoolArray) -> tuple[slice, slice] | None:
    """Return the rows and columns that hold all pixels of a mask; None if it is empty.

    ``mask[bounding_slices(mask)]`` is the smallest part of the array with the whole mask.

    Args:
        mask: Shape (H, W).

    Raises:
        ShapeError: If the mask is not two-dimensional.
        ConfigError: If the array is not a mask; see ``videoseg.types.as_mask``.
    """
    mask = as_mask(mask)
    rows = np.flatnonzero(mask.any(axis=1))
    if not rows.size:
        return None
    # Only the rows found can hold a pixel.
    columns = np.flatnonzero(mask[rows[0] : rows[-1] + 1].any(axis=0))
    return (
        slice(int(rows[0]), int(rows[-1]) + 1),
        slice(int(columns[0]), int(columns[-1]) + 1),
    )


def bounding_box(mask: BoolArray) -> Box:
    """Return the tightest box around a mask, in whole pixels.

    Args:
        mask: Shape (H, W), with at least one pixel set.

    Returns:
        The box, half-open, its corners of type int.

    Raises:
        ShapeError: If the mask is not two-dimensional.
        ConfigError: If the mask is empty, or the array is not a mask.

    Example:
        >>> mask = np.zeros((5, 9), bool)
        >>> mask[1:4, 2:5] = True
        >>> bounding_box(mask)
        Box(x1=2, y1=1, x2=5, y2=4)
    """
    found = bounding_slices(mask)
    if found is None:
        raise ConfigError("an empty mask has no bounding box; check mask.any() first")
    rows, columns = found
    return Box(columns.start, rows.start, columns.stop, rows.stop)


def inner_points(mask: BoolArray, *, count: int = 1, exact: bool = True) -> tuple[Point, ...]:
    """Return points well inside a mask: far from its outside and from one another.

    The first is the point deepest inside the mask, a better click than the centroid, which may
    fall outside a bent object. The frame's edge counts as outside. Each further point is the
    deepest one that is at least the first one's depth away from all others; points that lie
    less than 0.3 times as deep as the first are left out.

    Args:
        mask: Shape (H, W).
        count: How many points at most, at least 1.
        exact: Whether depths are exact Euclidean distances. Otherwise they are those of a 5x5
            chamfer mask, off by up to 2 percent and several times faster.

    Returns:
        Centers of pixels, the deepest first (on a tie the topmost, then leftmost); none if the
        mask is empty, else at least one.

    Raises:
        ShapeError: If the mask is not two-dimensional.
        ConfigError: If the array is not a mask; see ``videoseg.types.as_mask``.

    Example:
        >>> mask = np.zeros((5, 9), bool)
        >>> mask[1:4, 2:5] = True
        >>> inner_points(mask)
        (Point(x=3.5, y=2.5),)
    """
    import cv2

    mask = as_mask(mask)
    top = left = 0
    if exact:
        # Not cropped: the exact transform rounds differently at another place of the frame.
        method = cv2.DIST_MASK_PRECISE
    else:
        method = cv2.DIST_MASK_5
        if (found := bounding_slices(mask)) is not None:
            mask, top, left = mask[found], found[0].start, found[1].start
    padded = np.pad(mask, 1).view(np.uint8)
    depth = cv2.distanceTransform(padded, cv2.DIST_L2, method)[1:-1, 1:-1]
    points: list[Point] = []
    least, spacing = 1.0, 0.0  # a pixel of the mask is at least 1 deep
    for number in range(count):
        row, column = (int(i) for i in np.unravel_index(int(np.argmax(depth)), depth.shape))
        deepest = float(depth[row, column])
        if deepest < least:
            break
        points.append(Point(left + column + 0.5, top + row + 0.5))
        if number == 0:
            least, spacing = max(least, _LEAST_DEPTH * deepest), deepest
        if number + 1 < count:
            rows = np.arange(depth.shape[0])[:, None]
            columns = np.arange(depth.shape[1])[None, :]
            near = (rows - row) ** 2 + (columns - column) ** 2 < spacing**2
            depth = np.where(near, 0, depth)
    return tuple(points)


def remove_specks(
    mask: BoolArray, min_share: float, *, keep: BoolArray | None = None
) -> BoolArray:
    """Drop the 8-connected parts of a mask that are small beside its largest part.

    Args:
        mask: Shape (H, W). It is not changed.
        min_share: A part stays if its area is at least this share of the largest part's area,
            in [0, 1]. 1 keeps only the largest part, and parts of the same area.
        keep: Pixels of the same shape; a part that holds one of them stays whatever its area.

    Returns:
        Shape (H, W), dtype bool; a new array. Empty only if the mask is.

    Raises:
        ShapeError: If the mask is not two-dimensional.
        ConfigError: If ``min_share`` is out of range, or the array is not a mask.

    Example:
        >>> remove_specks(np.array([[1, 0, 1, 1, 1]], bool), 0.5)
        array([[False, False,  True,  True,  True]])
    """
    import cv2

    if not 0 <= min_share <= 1:
        raise ConfigError(f"min_share must be from 0 to 1, got {min_share}")
    mask = as_mask(mask)
    result = mask.copy()
    inside = bounding_slices(mask)
    if inside is None:
        return result
    # A copy: OpenCV takes contiguous bytes.
    pixels = np.ascontiguousarray(mask[inside]).view(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(pixels, connectivity=8)
    if count > 2:
        areas = stats[1:, cv2.CC_STAT_AREA]
        stays = np.concatenate([[False], areas >= min_share * areas.max()])
        if keep is not None:
            stays[labels[keep[inside] & mask[inside]]] = True
        result[inside] = stays[labels]
    return result


def contour_polygons(mask: BoolArray) -> list[IntArray]:
    """Return the closed outlines of a mask, around its parts and around its holes.

    Args:
        mask: Shape (H, W).

    Returns:
        One array of shape (P, 2) and dtype int32 for each outline: the (x, y) of the mask's
        outermost pixels in order. Straight runs keep only their ends.

    Raises:
        ShapeError: If the mask is not two-dimensional.
        ConfigError: If the array is not a mask; see ``videoseg.types.as_mask``.
    """
    import cv2

    mask = as_mask(mask)
    found, _ = cv2.findContours(
        np.ascontiguousarray(mask).view(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE
    )
    return [np.asarray(polygon, np.int32).reshape(-1, 2) for polygon in found]


def joined_outline(mask: BoolArray) -> IntArray:
    """Return all outlines of a mask as one closed polygon, shape (P, 2), P at least 3.

    Outlines are joined between their nearest points, there and back, so that filling by the
    even-odd rule gives the mask, with its holes and with lines of one pixel between its parts.

    Args:
        mask: Shape (H, W), with at least one pixel set.

    Returns:
        The (x, y) of the mask's outermost pixels in order, dtype int32.

    Raises:
        ShapeError: If the mask is not two-dimensional.
        ConfigError: If the mask is empty, or the array is not a mask.
    """
    parts = sorted(contour_polygons(mask), key=len, reverse=True)
    if not parts:
        raise ConfigError("an empty mask has no outline; check mask.any() first")
    joined = parts[0]
    for part in parts[1:]:
        here, there = _nearest(joined, part)
        turned = np.roll(part, -there, axis=0)
        joined = np.concatenate([joined[: here + 1], turned, turned[:1], joined[here:]])
    if len(joined) < 3:
        joined = np.concatenate([joined, np.repeat(joined[-1:], 3 - len(joined), axis=0)])
    return joined


def _nearest(points: IntArray, others: IntArray) -> tuple[int, int]:
    """Return the places of two points, one of each array, that are nearest to each other."""
    step = max(1, _MOST_PAIRS // len(others))
    nearest: list[tuple[int, int, int]] = []
    for start in range(0, len(points), step):
        distances = np.abs(points[start : start + step, None] - others[None]).sum(axis=2)
        row, column = divmod(int(distances.argmin()), len(others))
        nearest.append((int(distances[row, column]), start + row, column))
    _, place, other = min(nearest)
    return place, other
