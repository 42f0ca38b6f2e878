"""The coordinates of an answer, and warnings about numbers that do not fit them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from videoseg import Box, ConfigError, Point
from videoseg.coordinates import CoordinateSpace
from videoseg.types import ChatReply, Size
from videoseg_r1.parsing.objects import ObjectAnswer

__all__ = ["Placement", "find_placement", "has_y_first", "warn_of_numbers"]


@dataclass(frozen=True, slots=True)
class Placement:
    """The meaning of the coordinates of one reply.

    Args:
        space: The space they are written in. If y comes first in it, ``parse_answer`` has
            swapped the numbers already: those passed to the methods here have x first.
        source: (height, width) of the source frame.
        seen: (height, width) at which the model saw it, if known.
    """

    space: CoordinateSpace
    source: Size
    seen: Size | None

    def of(self, space: str | None) -> Placement:
        """Return the placement of an object whose answer names its own coordinate space, or None.

        ``pixels`` are those of the image as the model saw it, if that is known.
        """
        if space == "pixels":
            in_pixels = self.space.square_side is not None or self.seen is None
            space = None if in_pixels else "pixels_of_resized"
        return self if space is None else replace(self, space=CoordinateSpace(space))

    def box(self, corners: tuple[float, float, float, float]) -> Box | None:
        """Return a box on the source frame, clipped to it; None if nothing is left."""
        x1, y1, x2, y2 = self._to_source(corners)
        height, width = self.source
        x1, x2 = max(0.0, x1), min(float(width), x2)
        y1, y2 = max(0.0, y1), min(float(height), y2)
        return Box(x1, y1, x2, y2) if x1 < x2 and y1 < y2 else None

    def point(self, xy: tuple[float, float]) -> Point | None:
        """Return a point on the source frame; None if it lies more than a pixel outside."""
        x, y = self._to_source(xy)
        height, width = self.source
        if not (-1 <= x <= width + 1 and -1 <= y <= height + 1):
            return None
        # A point on the right border counts as the last pixel.
        return Point(min(max(x, 0.0), width - 0.5), min(max(y, 0.0), height - 0.5))

    def to_dict(self) -> dict[str, Any]:
        """Return the facts that a trace keeps."""
        return {
            "coordinate_space": self.space.name,
            "image_size": None if self.seen is None else list(self.seen),
        }

    def _to_source(self, numbers: tuple[float, ...]) -> list[float]:
        values: list[float] = self.space.x_first.to_source(
            numbers, source=self.source, seen=self.seen
        ).tolist()
        return values


def has_y_first(reply: ChatReply, coordinates: str) -> bool:
    """Return whether the coordinates of a reply have y before x by default."""
    name = reply.coordinate_space if coordinates == "auto" else coordinates
    return name is not None and CoordinateSpace(name).y_first


def find_placement(
    reply: ChatReply, coordinates: str, *, source: Size, image: int, told: str | None = None
) -> Placement:
    """Return the placement for the coordinates of a reply.

    Args:
        reply: The reply.
        coordinates: The name of a space, or ``auto`` for that of the reply.
        source: (height, width) of the frame they refer to.
        image: The index of that frame among the images shown.
        told: The space that the answer itself names for all its objects; used if nothing else
            is known.

    Raises:
        ConfigError: If there is no such space, or the reply does not declare one.
    """
    name = reply.coordinate_space or told if coordinates == "auto" else coordinates
    if name is None:
        raise ConfigError(
            "the chat model does not declare its coordinate space; give the grounder "
            "coordinates='per_mille' (Qwen2-VL, Qwen3-VL, InternVL), 'per_mille_yx' (Gemini), "
            "'pixels_of_resized' (Qwen2.5-VL), 'unit' (Kimi-VL) or 'square(n)'; "
            "`videoseg chat check` finds out which"
        )
    seen = reply.image_sizes[image] if reply.image_sizes else None
    return Placement(CoordinateSpace(name), source, seen)


_XY = tuple[float, float]
_MOST_SHOWN = 4
# Rounding: 1.0000001 counts as 1.
_TOLERANCE = 1e-6


def warn_of_numbers(objects: Sequence[ObjectAnswer], placement: Placement) -> list[str]:
    """Return a warning for each way in which an answer does not fit its coordinate space.

    Args:
        objects: The objects of an answer.
        placement: The meaning of their coordinates.

    Returns:
        Sentences with the space, the numbers and the option to set.
    """
    doubts = []
    for space in dict.fromkeys(found.space for found in objects):
        group = [found for found in objects if found.space == space]
        placed = placement.of(space)
        scale = placed.space.x_first.name
        if space is not None and scale != placement.space.x_first.name:
            doubts.append(
                f"the answer itself says that its numbers are in {placed.space}, not in the "
                f"model's space {placement.space}; they are read as {placed.space}"
            )
        elif space == "pixels" and not scale.startswith(("pixels", "square")):
            doubts.append(
                f"the answer says that its numbers are pixels, but they are read as "
                f"{placed.space}; if it is right, set coordinates='pixels_of_resized'"
            )
        doubts += [*_warn_outside(group, placed), *_warn_of_fractions(group, placed)]
    return doubts


def _warn_outside(objects: Sequence[ObjectAnswer], placement: Placement) -> Iterator[str]:
    across, down = placement.space.extent(placement.seen)
    pairs = [pair for found in objects for pair in _pairs(found)]
    outside = [
        number
        for pair in pairs
        for number, most in zip(pair, (across, down), strict=True)
        if not 0 <= number <= most * (1 + _TOLERANCE)
    ]
    if outside:
        advice = _suggest_space(pairs, placement)
        yield (
            f"numbers of the answer lie outside its coordinate space {placement.space} (0 to "
            f"{across:g} across, 0 to {down:g} down): {_format_numbers(outside)}; "
            + (
                f"if the model writes in another one, set it, such as coordinates={advice!r}"
                if advice
                else "the parts outside are cut off"
            )
        )


def _warn_of_fractions(objects: Sequence[ObjectAnswer], placement: Placement) -> Iterator[str]:
    """Yield a warning if numbers look like fractions in a space of larger numbers."""
    if placement.space.x_first.name == "unit":
        return
    small = [
        numbers
        for found in objects
        for numbers in (found.box, *found.points)
        if numbers is not None
        and min(numbers) >= 0
        and max(numbers) <= 1
        # A point at the very corner may be meant.
        and (len(numbers) == 4 or any(number % 1 for number in numbers))
    ]
    if small:
        yield (
            f"numbers of the answer are at most 1, which is almost nothing in its "
            f"coordinate space {placement.space}: {_format_numbers(small[0])}; if they are "
            "fractions of width and height, set "
            f"coordinates={'unit_yx' if placement.space.y_first else 'unit'!r}"
        )


def _suggest_space(pairs: Sequence[_XY], placement: Placement) -> str | None:
    """Return the name of a space into which all numbers would fit; None if there is none."""
    if any(number < 0 for pair in pairs for number in pair):
        return None
    across, down = placement.space.extent(placement.seen)
    scale = placement.space.x_first.name
    y_first = placement.space.y_first
    if across != down and all(x <= down and y <= across for x, y in pairs):
        y_first = not y_first
    elif scale != "per_mille" and all(max(pair) <= 1000 for pair in pairs):
        scale = "per_mille"
    elif scale == "pixels_of_resized":
        return None
    else:
        scale = "pixels_of_resized"
    return f"{scale}_yx" if y_first else scale


def _pairs(found: ObjectAnswer) -> Iterator[_XY]:
    if found.box is not None:
        yield found.box[:2]
        yield found.box[2:]
    yield from found.points
    yield from found.negative_points


def _format_numbers(numbers: Iterable[float]) -> str:
    distinct = list(dict.fromkeys(numbers))
    more = ", ..." if len(distinct) > _MOST_SHOWN else ""
    return ", ".join(f"{number:g}" for number in distinct[:_MOST_SHOWN]) + more
