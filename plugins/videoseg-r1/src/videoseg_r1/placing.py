"""From the coordinates a model wrote to boxes and points on the source frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from videoseg_vlm.coordinates import CoordinateSpace

from videoseg import Box, ChatReply, ConfigError, Point
from videoseg.types import Size

__all__ = ["Placement", "placement_of"]


@dataclass(frozen=True, slots=True)
class Placement:
    """How the coordinates of one reply are meant.

    Args:
        space: The convention they are written in.
        source: (height, width) of the source frame.
        seen: (height, width) at which the model saw it, if known.
    """

    space: CoordinateSpace
    source: Size
    seen: Size | None

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
        values: list[float] = self.space.to_source(
            numbers, source=self.source, seen=self.seen
        ).tolist()
        return values


def placement_of(reply: ChatReply, coordinates: str, *, source: Size, image: int) -> Placement:
    """Return how the coordinates of a reply are meant.

    Args:
        reply: The reply.
        coordinates: The name of a space, or ``auto`` for what the reply says.
        source: (height, width) of the frame they refer to.
        image: Which of the images shown that frame was.

    Raises:
        ConfigError: If the space is not known, or the model does not say it.
    """
    name = coordinates
    if name == "auto":
        if reply.coordinate_space is None:
            raise ConfigError(
                "the chat model does not say how its coordinates are meant; give the grounder "
                "coordinates='per_mille' (Qwen2-VL, Qwen3-VL), 'pixels_of_resized' "
                "(Qwen2.5-VL), 'unit' or 'square(n)'; `videoseg doctor --chat` finds out which"
            )
        name = reply.coordinate_space
    seen = reply.image_sizes[image] if reply.image_sizes else None
    return Placement(CoordinateSpace(name), source, seen)
