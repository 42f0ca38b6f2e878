"""Boxes, points and windows, in the source video's own pixels and frame indices."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from numbers import Integral

from videoseg.errors import ConfigError
from videoseg.types.arrays import Size
from videoseg.types.scalars import real_number, set_fields, whole_number

__all__ = ["Box", "Point", "Window"]


@dataclass(frozen=True, slots=True)
class Point:
    """A point in pixels of the source frame, origin at the top-left corner.

    Numbers of NumPy and of tensors are accepted and kept as Python's.

    Raises:
        ConfigError: If a coordinate is not a finite number.

    Example:
        >>> Point(12.0, 30.5)
        Point(x=12.0, y=30.5)
    """

    x: float
    y: float

    def __post_init__(self) -> None:
        what = "a coordinate of a point"
        set_fields(self, x=real_number(self.x, what), y=real_number(self.y, what))


@dataclass(frozen=True, slots=True)
class Box:
    """A box in absolute pixels of the source frame, half-open: x in [x1, x2), y in [y1, y2).

    Numbers of NumPy and of tensors are accepted and kept as Python's.

    Raises:
        ConfigError: If a corner is not a finite number or the box has no area.

    Example:
        >>> Box(10, 20, 30, 60).area
        800
    """

    x1: float
    y1: float
    x2: float
    y2: float

    def __post_init__(self) -> None:
        for name in ("x1", "y1", "x2", "y2"):
            set_fields(self, **{name: real_number(getattr(self, name), "a coordinate of a box")})
        if self.x2 <= self.x1 or self.y2 <= self.y1:
            raise ConfigError(f"a box needs x1 < x2 and y1 < y2, got {self.as_tuple()}")

    @property
    def width(self) -> float:
        """Width in pixels."""
        return self.x2 - self.x1

    @property
    def height(self) -> float:
        """Height in pixels."""
        return self.y2 - self.y1

    @property
    def area(self) -> float:
        """Area in square pixels."""
        return self.width * self.height

    @property
    def center(self) -> Point:
        """The middle of the box."""
        return Point((self.x1 + self.x2) / 2, (self.y1 + self.y2) / 2)

    def contains(self, point: Point) -> bool:
        """Return whether the point lies inside the box."""
        return self.x1 <= point.x < self.x2 and self.y1 <= point.y < self.y2

    def iou(self, other: Box) -> float:
        """Return intersection over union with another box, in [0, 1]."""
        width = min(self.x2, other.x2) - max(self.x1, other.x1)
        height = min(self.y2, other.y2) - max(self.y1, other.y1)
        if width <= 0 or height <= 0:
            return 0.0
        intersection = width * height
        return intersection / (self.area + other.area - intersection)

    def clipped(self, size: Size) -> Box | None:
        """Return the part of the box inside a frame of this size, or None if there is none."""
        height, width = size
        x1, x2 = max(0.0, self.x1), min(float(width), self.x2)
        y1, y2 = max(0.0, self.y1), min(float(height), self.y2)
        return Box(x1, y1, x2, y2) if x1 < x2 and y1 < y2 else None

    def as_tuple(self) -> tuple[float, float, float, float]:
        """Return ``(x1, y1, x2, y2)``."""
        return (self.x1, self.y1, self.x2, self.y2)


@dataclass(frozen=True, slots=True)
class Window:
    """A half-open range of frame indices, [start, stop).

    Args:
        start: The first frame.
        stop: The frame after the last one.

    Raises:
        ConfigError: If a bound is not a whole number, start is negative or the window holds no
            frame.

    Example:
        >>> list(Window(3, 6))
        [3, 4, 5]
    """

    start: int
    stop: int

    def __post_init__(self) -> None:
        what = "a bound of a window"
        set_fields(self, start=whole_number(self.start, what), stop=whole_number(self.stop, what))
        if self.start < 0 or self.stop <= self.start:
            raise ConfigError(f"a window needs 0 <= start < stop, got [{self.start}, {self.stop})")

    def __len__(self) -> int:
        return self.stop - self.start

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.start, self.stop))

    def __contains__(self, frame: object) -> bool:
        return isinstance(frame, Integral) and self.start <= int(frame) < self.stop

    def clamped(self, window: Window) -> Window:
        """Return the part of this window inside another; the nearest frame if there is none."""
        start = min(max(self.start, window.start), window.stop - 1)
        return Window(start, max(start + 1, min(self.stop, window.stop)))

    def nearest(self, frame: int) -> int:
        """Return the frame of this window that is nearest to the given one."""
        return min(max(frame, self.start), self.stop - 1)
