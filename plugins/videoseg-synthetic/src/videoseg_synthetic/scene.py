"""The description of a scene: objects, posts, camera and light. Nothing is drawn here."""

from __future__ import annotations

from dataclasses import dataclass

from videoseg.types import FloatArray, IntArray, Size
from videoseg_synthetic.paths import Behavior
from videoseg_synthetic.shapes import Shape
from videoseg_synthetic.textures import Texture

__all__ = ["Post", "Scene", "SceneObject"]


@dataclass(frozen=True, eq=False, slots=True)
class SceneObject:
    """One object of a scene.

    Args:
        object_id: 1 or greater.
        shape: Its outline.
        color: The name of its color.
        rgb: Its base color, 0..255.
        texture: Its surface.
        radius: Radius in pixels of the circle of the same area.
        depth: 0 for the frontmost object, then 1, ...
        behavior: The kind of path it follows.
        positions: Its center in the world, in pixels, as (x, y), shape (T, 2). The world's
            origin is the corner of the picture while the camera is at rest.
        angles: Rotation in radians on each frame, shape (T,).
        seed: Seed of its surface and outline.
    """

    object_id: int
    shape: Shape
    color: str
    rgb: tuple[int, int, int]
    texture: Texture
    radius: float
    depth: int
    behavior: Behavior
    positions: FloatArray
    angles: FloatArray
    seed: int


@dataclass(frozen=True, slots=True)
class Post:
    """A static foreground bar from top to bottom, in front of every object.

    Args:
        x: Left edge in the world, in pixels.
        width: Width in pixels.
        seed: Seed of its surface.
    """

    x: float
    width: float
    seed: int


@dataclass(frozen=True, eq=False, slots=True)
class Scene:
    """All that determines the pixels of a clip.

    Args:
        seed: The seed of all randomness in drawing.
        size: (height, width).
        fps: Frames per second.
        num_frames: Length of the plan; a stream repeats it back and forth.
        objects: The objects, by id.
        posts: Static foreground bars.
        camera: The camera's position in the world as (x, y) pixels, shape (T, 2).
        shots: Index of the shot each frame belongs to, shape (T,).
        noise: Standard deviation of the sensor noise, in gray levels.
        brightness: Gain on each frame, shape (T,), around 1.
        shadows: Whether objects cast soft shadows on the ground.
        margin: How far the ground reaches beyond the picture on each side, in pixels.
    """

    seed: int
    size: Size
    fps: float
    num_frames: int
    objects: tuple[SceneObject, ...]
    posts: tuple[Post, ...]
    camera: FloatArray
    shots: IntArray
    noise: float
    brightness: FloatArray
    shadows: bool
    margin: int

    def screen_positions(self, scene_object: SceneObject) -> FloatArray:
        """Return an object's center in the picture on each frame, shape (T, 2)."""
        positions: FloatArray = scene_object.positions - self.camera
        return positions
