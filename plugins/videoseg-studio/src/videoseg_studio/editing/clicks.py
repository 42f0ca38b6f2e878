"""How clicks on a frame become a mask.

The segmenter makes the first mask, of a box or of the first click. Every further click changes the
mask where it is clicked and leaves the rest alone: a positive click adds the part around it that
looks alike, a negative one takes it away.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from videoseg.errors import ConfigError
from videoseg.masks import remove_specks
from videoseg.types import BoolArray, Box, Frame, Point, Prompt, Rle, Size
from videoseg_studio.editing.local_cut import cut_around

__all__ = ["check_places", "mask_of_clicks"]

_LARGEST_PART = 0.6
"""Share of a mask that one click takes away at most, and as much may be added to it twice; what
is larger was not meant. Chosen by hand on clips of DAVIS."""

_SPOT = 0.025
"""Radius in frame diagonals of the spot that is changed instead."""

_SPECK = 0.03
"""Of the largest part of a mask; as the propagator ``flow`` does."""


def check_places(
    size: Size, points: Sequence[Point], negative_points: Sequence[Point], box: Box | None
) -> None:
    """Raise ``ConfigError`` for a point or a box outside the frame."""
    height, width = size
    for point in (*points, *negative_points):
        if not (0 <= point.x < width and 0 <= point.y < height):
            raise ConfigError(
                f"the point ({point.x:g}, {point.y:g}) is outside the {width}x{height} frame"
            )
    if box is not None and box.clipped(size) is None:
        raise ConfigError(
            f"the box is outside the {width}x{height} frame; drag it over the object"
        )


def mask_of_clicks(
    segment: Callable[[Prompt], Rle],
    size: Size,
    *,
    image: Callable[[], Frame],
    object_id: int,
    frame: int,
    points: Sequence[Point],
    negative_points: Sequence[Point],
    box: Box | None = None,
    base: Rle | None = None,
) -> Rle:
    """Return the mask that clicks mean.

    Args:
        segment: Returns the mask of a box or of one point.
        size: (height, width) of the frame.
        image: Returns the frame, shape (H, W, 3), RGB uint8.
        object_id: The object.
        frame: The frame.
        points: Points on the object.
        negative_points: Points that are not on it.
        box: A box around it; then ``base`` is not used.
        base: The mask before the clicks, if there is one.

    Raises:
        ConfigError: If a place is outside the frame, or there is nothing to begin with.
        VideosegError: If the segmenter fails.
    """
    check_places(size, points, negative_points, box)

    if box is not None:
        mask = segment(Prompt(object_id, frame, box=box.clipped(size))).decode()
    elif base is not None and base.area:
        mask = base.decode()
    elif points:
        mask = segment(Prompt(object_id, frame, points=tuple(points[:1]))).decode()
    else:
        raise ConfigError(
            f"object {object_id} has no mask on frame {frame} yet; click on the object first, or "
            "drag a box around it"
        )
    pixels = image()
    for point in (*points, *negative_points):
        is_missing = point in points
        if _at(mask, point) != is_missing:
            mask[_change(pixels, mask, point)] = is_missing
    if negative_points:
        # Edges of what was taken away stay behind as specks.
        mask = remove_specks(mask, _SPECK)
    # Also where clicks contradict each other, what was clicked is as it was clicked.
    for on, places in ((True, points), (False, negative_points)):
        for point in places:
            if _at(mask, point) != on:
                mask[_spot(mask, point)] = on
    return Rle.encode(mask)


def _at(mask: BoolArray, point: Point) -> bool:
    return bool(mask[int(point.y), int(point.x)])


def _change(image: Frame, mask: BoolArray, point: Point) -> BoolArray:
    """Return the pixels that a click changes."""
    part = cut_around(image, mask, point)
    most = _LARGEST_PART * np.count_nonzero(mask)
    if _at(mask, point):
        return part if np.count_nonzero(part) <= most else _spot(mask, point)
    return part if np.count_nonzero(part) <= 2 * most else _spot(mask, point)


def _spot(mask: BoolArray, point: Point) -> BoolArray:
    height, width = mask.shape
    radius = max(2.0, _SPOT * float(np.hypot(height, width)))
    rows, columns = np.ogrid[:height, :width]
    inside: BoolArray = np.hypot(columns + 0.5 - point.x, rows + 0.5 - point.y) <= radius
    return inside
