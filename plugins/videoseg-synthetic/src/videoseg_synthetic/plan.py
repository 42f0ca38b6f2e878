"""Plan scenes: objects, their paths, colors and sizes, foreground posts, camera and light."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, cast

import numpy as np

from videoseg.types import FloatArray, Size
from videoseg_synthetic.palette import COLORS, color_distance, confusable
from videoseg_synthetic.paths import PathPlan, path
from videoseg_synthetic.scene import Post, Scene, SceneObject
from videoseg_synthetic.shapes import SHAPES, Shape
from videoseg_synthetic.stories import STORIES, Script
from videoseg_synthetic.textures import TEXTURES

__all__ = ["Camera", "SceneWishes", "plan_scene", "scene_is_fair"]

Camera: TypeAlias = Literal["still", "pan", "shake"]

_RADII = (0.086, 0.118, 0.158, 0.205)
"""Radii as fractions of the shorter side; areas differ by a factor of at least 1.7."""

_LEAST_CONTRAST = 24.0
"""Distance in CIE L*a*b* of an object from the mean color of the ground; 2 is just visible."""


@dataclass(frozen=True, slots=True)
class SceneWishes:
    """The choices of the caller; None leaves a choice to chance.

    Args:
        size: (height, width).
        num_frames: Length of the clip.
        fps: Frames per second.
        script: The kind of story.
        num_objects: The number of objects.
        camera: How the camera moves.
        noise: Standard deviation of the sensor noise in gray levels.
        brightness_drift: Maximum relative change of brightness.
        posts: Whether there are static bars in the foreground.
        cut: Whether a second shot begins half-way.
        static: Nothing moves.
        shadows: Whether objects cast shadows.
    """

    size: Size
    num_frames: int
    fps: float
    script: Script
    num_objects: int | None = None
    camera: Camera | None = None
    noise: float | None = None
    brightness_drift: float | None = None
    posts: bool | None = None
    cut: bool = False
    static: bool = False
    shadows: bool = True


def plan_scene(rng: np.random.Generator, wishes: SceneWishes, *, seed: int) -> Scene:
    """Plan a scene. The same generator state and wishes give the same scene."""
    count = wishes.num_objects
    if count is None:
        count = int(rng.choice([3, 4, 4, 5]))
    script: Script = "still_life" if wishes.static else wishes.script
    paths, posts = STORIES[script](rng, count)
    radii = _radii(rng, count, script)
    if script == "passing" and count >= 2:
        # The object in front must be smaller than the one it passes.
        radii[0], radii[1] = 0.118, 0.158
    if wishes.static:
        paths = [replace(plan, behavior="still") for plan in paths]
    if wishes.posts is False:
        posts = []
    elif wishes.posts is True and not posts:
        posts = [(float(rng.uniform(0.25, 0.75)), 0.05)]
    camera = wishes.camera or cast(Camera, str(rng.choice(["still", "still", "pan", "shake"])))
    if wishes.static:
        camera = "still"
    motion, margin = _camera_path(rng, camera, wishes)
    colors = _colors(
        rng, count, twins=script == "flock" or rng.random() < 0.2, with_posts=bool(posts)
    )
    shapes = [SHAPES[int(k)] for k in rng.permutation(len(SHAPES))]
    depths = rng.permutation(count)
    if script == "passing" and count >= 2 and depths[0] > depths[1]:
        depths[[0, 1]] = depths[[1, 0]]
    shots = np.zeros(wishes.num_frames, dtype=np.int64)
    if wishes.cut and wishes.num_frames >= 4:
        shots[int(wishes.num_frames * rng.uniform(0.42, 0.58)) :] = 1
    objects = [
        _object(
            rng,
            index + 1,
            wishes,
            plan=paths[index],
            radius=radii[index] * min(wishes.size),
            color=colors[index],
            shape=shapes[index % len(shapes)],
            depth=int(depths[index]),
            second_shot=shots == 1,
        )
        for index in range(count)
    ]
    drift = wishes.brightness_drift
    if drift is None:
        drift = float(rng.choice([0.0, 0.0, 0.06]))
    noise = wishes.noise
    if noise is None:
        noise = float(rng.choice([1.5, 2.5, 4.0]))
    phase = float(rng.uniform(0, 2 * np.pi))
    time = np.linspace(0, 1, wishes.num_frames)
    width = wishes.size[1]
    return Scene(
        seed=seed,
        size=wishes.size,
        fps=wishes.fps,
        num_frames=wishes.num_frames,
        objects=tuple(objects),
        posts=tuple(
            Post((x - part / 2) * width, max(3.0, part * width), index)
            for index, (x, part) in enumerate(posts)
        ),
        camera=motion,
        shots=shots,
        noise=noise,
        brightness=1 + drift * np.sin(2 * np.pi * time + phase),
        shadows=wishes.shadows,
        margin=margin,
    )


def scene_is_fair(scene: Scene, grounds: list[FloatArray]) -> bool:
    """Return whether every object stands out from the mean color of every ground."""
    return all(
        color_distance(item.rgb, ground) >= _LEAST_CONTRAST
        for item in scene.objects
        for ground in grounds
    )


def _object(
    rng: np.random.Generator,
    object_id: int,
    wishes: SceneWishes,
    *,
    plan: PathPlan,
    radius: float,
    color: str,
    shape: Shape,
    depth: int,
    second_shot: np.ndarray[tuple[int], np.dtype[np.bool_]],
) -> SceneObject:
    height, width = wishes.size
    # Far enough for the longest outline, its shadow and the camera's motion.
    plan = replace(plan, outside=1.7 * radius / width + 0.1)
    fractions = path(plan, wishes.num_frames)
    # Another camera position: flipped vertically, so that left and right keep their meaning.
    fractions[second_shot, 1] = 1 - fractions[second_shot, 1]
    positions = fractions * np.array([width, height], dtype=np.float64)
    base = np.asarray(COLORS[color], dtype=np.float64)
    # White, gray and black get hardly any tint.
    tint = 2.0 if np.ptp(base) < 12 else 8.0
    jitter = np.clip(base + rng.uniform(-6, 6) + rng.uniform(-tint, tint, 3), 0, 255)
    start = float(rng.uniform(-0.3, 0.3))
    turning = 0.0 if plan.behavior in ("still",) else float(rng.uniform(-0.6, 0.6))
    return SceneObject(
        object_id=object_id,
        shape=shape,
        color=color,
        rgb=(int(jitter[0]), int(jitter[1]), int(jitter[2])),
        texture=TEXTURES[int(rng.integers(len(TEXTURES)))],
        radius=radius,
        depth=depth,
        behavior=plan.behavior,
        positions=positions,
        angles=start + turning * np.linspace(0, 1, wishes.num_frames),
        seed=int(rng.integers(2**31)),
    )


def _radii(rng: np.random.Generator, count: int, script: Script) -> list[float]:
    steps = list(_RADII)
    while len(steps) < count:
        steps.append(float(rng.choice(_RADII[:2])))
    if script in ("crossing", "arrivals", "hidden") and rng.random() < 0.4:
        # Not every clip has a clear largest one.
        steps = [0.10 + 0.05 * float(rng.random()) for _ in steps]
    chosen = [steps[int(k)] for k in rng.permutation(len(steps))[:count]]
    crowd = min(1.0, (5.0 / max(count, 1)) ** 0.5)
    return [value * crowd * float(rng.uniform(0.97, 1.03)) for value in chosen]


def _colors(rng: np.random.Generator, count: int, *, twins: bool, with_posts: bool) -> list[str]:
    # A post could be mistaken for a brown or gray object.
    names = [name for name in COLORS if not (with_posts and name in ("brown", "grey"))]
    # Black and white can be combined with most colors; without weights, most clips have them.
    weights = np.array([0.35 if name in ("black", "white") else 1.0 for name in names])
    chosen: list[str] = []
    for k in rng.choice(len(names), len(names), replace=False, p=weights / weights.sum()):
        name = names[int(k)]
        if all(not confusable(name, other) for other in chosen):
            chosen.append(name)
    wanted = max(1, count - 1) if twins and count >= 3 else count
    chosen = chosen[:wanted]
    while len(chosen) < count:
        chosen.append(chosen[int(rng.integers(len(chosen)))])
    return [chosen[int(k)] for k in rng.permutation(count)]


def _camera_path(
    rng: np.random.Generator, camera: Camera, wishes: SceneWishes
) -> tuple[FloatArray, int]:
    height, width = wishes.size
    time = np.linspace(0, 1, wishes.num_frames)
    motion = np.zeros((wishes.num_frames, 2))
    if camera == "pan":
        amount = float(rng.uniform(0.05, 0.1)) * float(rng.choice([-1, 1]))
        ease = (1 - np.cos(np.pi * time)) / 2 - 0.5
        motion[:, 0] = amount * width * ease
        motion[:, 1] = 0.2 * amount * height * np.sin(np.pi * time)
    elif camera == "shake":
        steps = rng.normal(0, 1.0, (wishes.num_frames + 8, 2))
        smooth = np.stack([np.convolve(steps[:, a], np.ones(4) / 4, "same") for a in (0, 1)], 1)
        motion = smooth[4 : 4 + wishes.num_frames] * 0.006 * min(height, width)
    margin = int(np.ceil(np.abs(motion).max())) + 2 if wishes.num_frames else 2
    return motion, margin
