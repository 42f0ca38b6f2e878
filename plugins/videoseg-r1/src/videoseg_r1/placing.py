"""From the coordinates a model wrote to boxes and points on the source frame."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from videoseg import Box, ChatReply, ConfigError, Point
from videoseg.coordinates import CoordinateSpace
from videoseg.types import Size

__all__ = ["Placement", "has_y_first", "placement_of"]


@dataclass(frozen=True, slots=True)
class Placement:
    """How the coordinates of one reply are meant.

    Args:
        space: The convention they are written in. Where y comes first in it, ``parse_answer``
            has turned the numbers round: what is placed here has x first.
        source: (height, width) of the source frame.
        seen: (height, width) at which the model saw it, if known.
    """

    space: CoordinateSpace
    source: Size
    seen: Size | None

    def of(self, space: str | None) -> Placement:
        """Return how an object is placed that names its own coordinate space, or None.

        ``pixels`` are those of the image as the model saw it, if that is known.
        """
        if space == "pixels":
            in_pixels = self.space.square_side is not None or self.seen is None
            space = None if in_pixels else "pixels_of_resized"
        return self if space is None else replace(self, space=CoordinateSpace(space))

    def box(self, corners: tuple[float, float, float, float]) -> Box | None:
        """Return a box on the source frame, cut at its border; None if nothing is left."""
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
        # A point on the right border, which a model may well name, is the last pixel.
        return Point(min(max(x, 0.0), width - 0.5), min(max(y, 0.0), height - 0.5))

    def to_dict(self) -> dict[str, Any]:
        """Return what a result keeps of it."""
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
    """Return whether the coordinates of a reply have y before x, unless it says otherwise."""
    name = reply.coordinate_space if coordinates == "auto" else coordinates
    return name is not None and CoordinateSpace(name).y_first


def placement_of(
    reply: ChatReply, coordinates: str, *, source: Size, image: int, told: str | None = None
) -> Placement:
    """Return how the coordinates of a reply are meant.

    Args:
        reply: The reply.
        coordinates: The name of a space, or ``auto`` for what the reply says.
        told: The space that the answer itself names for all its objects; it counts if nothing
            else is known.
        source: (height, width) of the frame they refer to.
        image: Which of the images shown that frame was.

    Raises:
        ConfigError: If the space is not known, or the model does not say it.
    """
    name = reply.coordinate_space or told if coordinates == "auto" else coordinates
    if name is None:
        raise ConfigError(
            "the chat model does not say how its coordinates are meant; give the grounder "
            "coordinates='per_mille' (Qwen2-VL, Qwen3-VL, InternVL), 'per_mille_yx' (Gemini), "
            "'pixels_of_resized' (Qwen2.5-VL), 'unit' (Kimi-VL) or 'square(n)'; "
            "`videoseg chat check` finds out which"
        )
    seen = reply.image_sizes[image] if reply.image_sizes else None
    return Placement(CoordinateSpace(name), source, seen)
