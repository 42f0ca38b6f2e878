"""Facts about each object of a clip, to check answers against."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from videoseg.types import FloatArray
from videoseg_synthetic.measure import Measurements
from videoseg_synthetic.paths import Behavior
from videoseg_synthetic.shapes import Shape
from videoseg_synthetic.textures import Texture

__all__ = ["ObjectFacts", "object_facts"]


@dataclass(frozen=True, eq=False, slots=True)
class ObjectFacts:
    """Facts about one object.

    Args:
        object_id: 1 or greater; its label and track id.
        shape: Its outline.
        color: The name of its color.
        rgb: Its base color, 0..255.
        texture: Its surface.
        radius: Radius in pixels of the circle of the same area.
        depth: 0 for the frontmost object, then 1, ...
        behavior: The kind of path it follows.
        path: Center of the whole object in the picture as (x, y), shape (T, 2).
        visible_areas: Visible pixels on each frame, shape (T,).
        first_visible: First frame on which any of it is visible.
        last_visible: Last frame on which any of it is visible.
        speed: Mean speed in the picture while visible, in pixels per second.
    """

    object_id: int
    shape: Shape
    color: str
    rgb: tuple[int, int, int]
    texture: Texture
    radius: float
    depth: int
    behavior: Behavior
    path: FloatArray
    visible_areas: tuple[int, ...]
    first_visible: int
    last_visible: int
    speed: float


def object_facts(seen: Measurements, index: int) -> ObjectFacts:
    """Collect the facts about one object."""
    item = seen.objects[index]
    path = seen.screen(index)
    steps = np.hypot(*np.diff(path, axis=0).T)
    both = ~seen.gone[index, 1:] & ~seen.gone[index, :-1] & (np.diff(seen.scene.shots) == 0)
    speed = float(steps[both].mean()) * seen.scene.fps if both.any() else 0.0
    return ObjectFacts(
        object_id=item.object_id,
        shape=item.shape,
        color=item.color,
        rgb=item.rgb,
        texture=item.texture,
        radius=item.radius,
        depth=item.depth,
        behavior=item.behavior,
        path=path,
        visible_areas=tuple(int(area) for area in seen.areas[index]),
        first_visible=seen.first_visible(index),
        last_visible=seen.last_visible(index),
        speed=speed,
    )
