"""How clicks on a frame become a mask.

Where an object has no mask yet, box and points go to the segmenter together. Where it has one, a
click changes this mask where it is clicked and leaves the rest alone: a positive click adds the
part that the segmenter finds there, a negative one takes it away.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from videoseg.errors import ConfigError
from videoseg.masks import bounding_box, inner_points, remove_specks
from videoseg.types import BoolArray, Box, Point, Prompt, Rle, Size

__all__ = ["check_places", "mask_of_clicks"]

# Chosen by hand on clips of DAVIS: a part of an object is smaller than this share of it. What
# the segmenter takes for more than that is not the part that was clicked.
_LARGEST_PART = 0.6
_LARGEST_ADDITION = 2.0
# Of the frame; below this an addition may be any multiple of a small mask.
_SMALL_ADDITION = 0.02
# Radius in frame diagonals of the spot that is changed where the segmenter finds no part.
_SPOT = 0.025
# Of the largest part of a mask; as the propagator flow does.
_SPECK = 0.03


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
    object_id: int,
    frame: int,
    points: Sequence[Point],
    negative_points: Sequence[Point],
    box: Box | None = None,
    base: Rle | None = None,
) -> Rle:
    """Return the mask that clicks mean.

    Args:
        segment: Returns the mask of a prompt.
        size: (height, width) of the frame.
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

    def ask(on: Sequence[Point], off: Sequence[Point], box: Box | None = None) -> BoolArray:
        prompt = Prompt(object_id, frame, box=box, points=tuple(on), negative_points=tuple(off))
        return segment(prompt).decode()

    if box is not None:
        return Rle.encode(ask(points, negative_points, box.clipped(size)))
    if base is None or base.area == 0:
        if not points:
            raise ConfigError(
                f"object {object_id} has no mask on frame {frame} yet; click on the object first, "
                "or drag a box around it"
            )
        return Rle.encode(ask(points, negative_points))
    mask = base.decode()
    missing = [point for point in points if not _at(mask, point)]
    if missing:
        mask = mask | _addition(ask(missing, negative_points), mask, missing)
    wrong = [point for point in negative_points if _at(mask, point)]
    if wrong:
        mask = mask & ~_part(ask(wrong, points or _anchor(mask, wrong)), mask, wrong)
        # Edges of what was taken away stay behind as specks.
        mask = remove_specks(mask, _SPECK)
    # Whatever the segmenter made of it, what was clicked is as it was clicked.
    for on, places in ((True, points), (False, negative_points)):
        for point in places:
            if _at(mask, point) != on:
                mask[_spot(size, [point])] = on
    return Rle.encode(mask)


def _at(mask: BoolArray, point: Point) -> bool:
    return bool(mask[int(point.y), int(point.x)])


def _addition(found: BoolArray, mask: BoolArray, points: Sequence[Point]) -> BoolArray:
    area = int(np.count_nonzero(found & ~mask))
    most = max(_LARGEST_ADDITION * np.count_nonzero(mask), _SMALL_ADDITION * mask.size)
    return found if 0 < area <= most else _spot(_size(mask), points)


def _part(found: BoolArray, mask: BoolArray, points: Sequence[Point]) -> BoolArray:
    area = int(np.count_nonzero(found & mask))
    is_part = 0 < area <= _LARGEST_PART * np.count_nonzero(mask)
    return found if is_part else _spot(_size(mask), points)


def _anchor(mask: BoolArray, wrong: Sequence[Point]) -> list[Point]:
    """Return a point that surely stays: the one deepest in the mask, unless it is near a click."""
    if bounding_box(mask) is None:
        return []
    near = 2 * _SPOT * float(np.hypot(*mask.shape))
    return [
        point
        for point in inner_points(mask, count=3)
        if all(np.hypot(point.x - one.x, point.y - one.y) > near for one in wrong)
    ][:1]


def _spot(size: Size, points: Sequence[Point]) -> BoolArray:
    height, width = size
    radius = max(2.0, _SPOT * float(np.hypot(height, width)))
    rows, columns = np.mgrid[:height, :width]
    inside = np.zeros(size, dtype=bool)
    for point in points:
        inside |= np.hypot(columns + 0.5 - point.x, rows + 0.5 - point.y) <= radius
    return inside


def _size(mask: BoolArray) -> Size:
    return mask.shape[0], mask.shape[1]
