"""The part of the frame in which objects are followed, and when it moves."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from videoseg.masks import bounding_slices
from videoseg.types import BoolArray, Frame, Prompt, Size

__all__ = [
    "LARGEST_SHARE",
    "Area",
    "RereadFrames",
    "View",
    "choose_view",
    "mask_area",
    "middle_of",
    "prompt_area",
    "suits",
]

_Scalar = TypeVar("_Scalar", bound=np.generic)
Area = tuple[float, float, float, float]
"""(y1, x1, y2, x2) in pixels of the frame, half-open."""

# Set by hand on drawn 4K clips (tests/benchmarks/follow_drawn.py); results change little.
_TIMES_THE_OBJECTS = 3.0  # sides of a view over those of what is in it
# And besides, frames of its motion: flow loses what moves by more than 4 % of a view's width.
_TIMES_THE_SPEED = 25.0
_LEAD = 6.0  # frames by which the middle of a view is ahead of what moves
_LEAST_MARGIN = 0.4  # of the objects' sides, before the view moves
_MOST_OF_FRAME = 0.5  # of the frame's pixels; larger views are the whole frame
_SMALLEST_SHARE, LARGEST_SHARE = 0.6, 1.6  # of the height that is wanted now
# Pixels of the smallest view: those of the grid on which masks are refined.
_LEAST_PIXELS = 102_400


@dataclass(frozen=True, slots=True)
class View:
    """A rectangle of the frame.

    Args:
        top: First row.
        left: First column.
        height: Number of rows.
        width: Number of columns.
    """

    top: int
    left: int
    height: int
    width: int

    @property
    def size(self) -> Size:
        """(height, width)."""
        return self.height, self.width

    @property
    def slices(self) -> tuple[slice, slice]:
        """The rows and columns, to cut it out of an array."""
        return (
            slice(self.top, self.top + self.height),
            slice(self.left, self.left + self.width),
        )

    def cut(self, picture: npt.NDArray[_Scalar]) -> npt.NDArray[_Scalar]:
        """Return this part of a frame or mask."""
        return picture[self.slices]

    def spread(self, mask: BoolArray, size: Size) -> BoolArray:
        """Return a mask of the view, (height, width), as one of the frame."""
        if self.size == tuple(size):
            return mask
        whole = np.zeros(size, dtype=bool)
        whole[self.slices] = mask
        return whole


def choose_view(
    areas: Iterable[Area],
    size: Size,
    *,
    velocity: tuple[float, float] = (0.0, 0.0),
    least_height: int = 0,
) -> View:
    """Return the view for objects that cover these areas; the whole frame if there are none.

    Args:
        areas: What the objects cover.
        size: (height, width) of the frame.
        velocity: The objects' motion along y and x, in pixels a frame.
        least_height: Rows that the view has at least.
    """
    whole = View(0, 0, *size)
    union = _union(areas)
    if union is None:
        return whole
    y1, x1, y2, x2 = union
    aspect = size[1] / size[0]
    speed_y, speed_x = abs(velocity[0]), abs(velocity[1])
    height = max(
        _TIMES_THE_OBJECTS * (y2 - y1) + _TIMES_THE_SPEED * speed_y,
        (_TIMES_THE_OBJECTS * (x2 - x1) + _TIMES_THE_SPEED * speed_x) / aspect,
        float(np.sqrt(_LEAST_PIXELS / aspect)),
        float(least_height),
    )
    if height * height * aspect > _MOST_OF_FRAME * size[0] * size[1]:
        return whole
    rows, columns = min(size[0], round(height)), min(size[1], round(height * aspect))
    top = _begin(y1, y2, rows, size[0], _LEAD * velocity[0])
    left = _begin(x1, x2, columns, size[1], _LEAD * velocity[1])
    return View(top, left, rows, columns)


def _begin(first: float, last: float, length: int, limit: int, lead: float) -> int:
    """Return where a view begins on one axis, ahead of the objects but with room behind them."""
    extent = last - first
    most = max(0.0, (length - extent) / 2 - 2.0 * _LEAST_MARGIN * extent)
    middle = (first + last) / 2 + min(max(lead, -most), most)
    return min(max(0, round(middle - length / 2)), limit - length)


def suits(
    view: View,
    areas: Iterable[Area],
    size: Size,
    *,
    velocity: tuple[float, float] = (0.0, 0.0),
    least_height: int = 0,
) -> bool:
    """Return whether a view still suits objects that cover these areas.

    It does as long as it is about as large as a new one would be, and the objects keep clear of
    its border.
    """
    areas = list(areas)
    wanted = choose_view(areas, size, velocity=velocity, least_height=least_height)
    share = view.height / wanted.height
    if not _SMALLEST_SHARE <= share <= LARGEST_SHARE or view.size == tuple(size):
        return view == wanted
    union = _union(areas)
    if union is None:
        return False
    y1, x1, y2, x2 = union
    margin_y, margin_x = _LEAST_MARGIN * (y2 - y1), _LEAST_MARGIN * (x2 - x1)
    # The frame ends there, so nothing is cut off.
    return (
        (view.top == 0 or y1 - view.top >= margin_y)
        and (view.left == 0 or x1 - view.left >= margin_x)
        and (view.top + view.height == size[0] or view.top + view.height - y2 >= margin_y)
        and (view.left + view.width == size[1] or view.left + view.width - x2 >= margin_x)
    )


def mask_area(mask: BoolArray) -> Area | None:
    """Return the area that a mask covers; None for an empty one."""
    found = bounding_slices(mask)
    if found is None:
        return None
    rows, columns = found
    return rows.start, columns.start, rows.stop, columns.stop


def middle_of(areas: Iterable[Area]) -> tuple[float, float] | None:
    """Return the (y, x) of the middle of what objects cover."""
    union = _union(areas)
    return None if union is None else ((union[0] + union[2]) / 2, (union[1] + union[3]) / 2)


def prompt_area(prompt: Prompt) -> Area | None:
    """Return the area of the frame that a prompt speaks of."""
    if prompt.mask is not None:
        return mask_area(prompt.mask.decode())
    if prompt.box is not None:
        return prompt.box.y1, prompt.box.x1, prompt.box.y2, prompt.box.x2
    points = prompt.points
    if not points:
        return None
    ys, xs = [point.y for point in points], [point.x for point in points]
    return min(ys), min(xs), max(ys) + 1, max(xs) + 1


class RereadFrames:
    """The frames of a run, which can be read again from the current one on.

    Args:
        frames: (index, frame) pairs in run order.
    """

    def __init__(self, frames: Iterator[tuple[int, Frame]]) -> None:
        self._frames = frames
        self._kept: deque[tuple[int, Frame]] = deque()

    def peek(self) -> int | None:
        """Return the index of the current frame; None at the end."""
        if not self._kept:
            item = next(self._frames, None)
            if item is None:
                return None
            self._keep(*item)
        return self._kept[0][0]

    def read(self, view: View) -> Iterator[tuple[int, Frame]]:
        """Yield a part of each frame, from the current one on."""
        for index, frame in tuple(self._kept):
            yield index, view.cut(frame)
        for item in self._frames:
            index, frame = self._keep(*item)
            yield index, view.cut(frame)

    def _keep(self, index: int, frame: Frame) -> tuple[int, Frame]:
        if frame.flags.writeable:
            # A source may use the memory of its frames again.
            frame = frame.copy()
            frame.flags.writeable = False
        self._kept.append((index, frame))
        return index, frame

    def advance_to(self, index: int) -> None:
        """Make a frame that has been read the current one."""
        while self._kept and self._kept[0][0] != index:
            self._kept.popleft()


def _union(areas: Iterable[Area]) -> Area | None:
    areas = list(areas)
    if not areas:
        return None
    tops, lefts, bottoms, rights = zip(*areas, strict=True)
    return min(tops), min(lefts), max(bottoms), max(rights)
