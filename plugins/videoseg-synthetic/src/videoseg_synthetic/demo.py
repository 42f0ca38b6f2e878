"""``demo_clip``: a clip of five seconds that is composed by hand."""

from __future__ import annotations

import numpy as np

from videoseg.types import Size
from videoseg_synthetic.clip import SyntheticClip
from videoseg_synthetic.measure import measure
from videoseg_synthetic.palette import COLORS
from videoseg_synthetic.paths import Behavior, PathPlan, path
from videoseg_synthetic.questions import all_questions
from videoseg_synthetic.reference import reference_query
from videoseg_synthetic.renderer import SceneRenderer
from videoseg_synthetic.scene import Scene, SceneObject
from videoseg_synthetic.shapes import Shape
from videoseg_synthetic.textures import Texture

__all__ = ["demo_clip"]

_SEED = 11

_CAST: tuple[tuple[Shape, str, Texture, float, int, PathPlan], ...] = (
    # The red heart passes in front of the blue circle, which stays where it is.
    ("heart", "red", "plain", 0.115, 0, PathPlan("cross", 0.5, 0.60, direction=1, travel=0.74)),
    ("circle", "blue", "checks", 0.185, 2, PathPlan("still", 0.52, 0.52)),
    # The yellow star is small and goes the other way along the top.
    ("star", "yellow", "plain", 0.075, 1, PathPlan("cross", 0.5, 0.15, direction=-1, travel=0.42)),
    # The white hexagon is not there at first.
    (
        "hexagon",
        "white",
        "stripes",
        0.12,
        3,
        PathPlan("enter", 0.80, 0.80, direction=-1, start=0.42, stop=0.72, outside=0.16),
    ),
)

_FIRST_KINDS = (
    "late",
    "in-front",
    "still",
    "color",
    "fastest",
    "largest",
    "no-color",
    "moves-right",
    "moves-left",
)


def demo_clip(
    *, size: Size = (360, 640), num_frames: int = 75, fps: float = 15.0
) -> SyntheticClip:
    """Make the clip of ``videoseg demo``: four objects, one hides another, one comes late.

    A red heart passes in front of a still blue circle, a yellow star moves the other way, and a
    white hexagon enters the picture half-way.

    Args:
        size: (height, width), each at least 64.
        num_frames: Length of the clip.
        fps: Frames per second.

    Example:
        >>> demo_clip(size=(90, 160), num_frames=30).queries[0].text
        'the one that comes into the picture'
    """
    height, width = size
    objects = []
    for index, (shape, color, texture, radius, depth, plan) in enumerate(_CAST):
        fractions = path(plan, num_frames)
        turning: dict[Behavior, float] = {"still": 0.0, "enter": 0.5}
        objects.append(
            SceneObject(
                index + 1,
                shape,
                color,
                COLORS[color],
                texture,
                radius * min(size),
                depth,
                plan.behavior,
                fractions * np.array([width, height], dtype=np.float64),
                np.linspace(-0.15, -0.15 + turning.get(plan.behavior, 0.3), num_frames),
                seed=index,
            )
        )
    scene = Scene(
        seed=_SEED,
        size=size,
        fps=fps,
        num_frames=num_frames,
        objects=tuple(objects),
        posts=(),
        camera=np.zeros((num_frames, 2)),
        shots=np.zeros(num_frames, dtype=np.int64),
        noise=1.5,
        brightness=np.ones(num_frames),
        shadows=True,
        margin=2,
    )
    renderer = SceneRenderer(scene)
    seen = measure(renderer)
    proposals = all_questions(seen, np.random.default_rng(_SEED))
    order = {kind: place for place, kind in enumerate(_FIRST_KINDS)}
    proposals.sort(key=lambda proposal: order.get(proposal.kind, len(order)))
    queries = tuple(reference_query(seen, proposal) for proposal in proposals)
    return SyntheticClip(renderer, seen, queries=queries, seed=_SEED)
