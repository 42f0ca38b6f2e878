"""Smooth paths of objects, in fractions of the frame's width and height."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from videoseg.types import FloatArray

__all__ = ["Behavior", "PathPlan", "path"]

Behavior: TypeAlias = Literal[
    "still", "drift", "wander", "cross", "climb", "enter", "leave", "return", "hide", "emerge"
]


@dataclass(frozen=True, slots=True)
class PathPlan:
    """The path of one object.

    Args:
        behavior: The kind of path.
        x: Its position, or where its motion starts or ends; 0 left, 1 right.
        y: Likewise, 0 top, 1 bottom.
        direction: 1 for rightwards or downwards, -1 for leftwards or upwards.
        travel: How far it moves, as a fraction of the frame's width (height for ``climb``).
        start: When it starts to move, as a fraction of the clip.
        stop: When it stops, as a fraction of the clip.
        outside: Distance beyond the border at which nothing of it is visible, as a fraction of
            the width.
        phase: Phase of its speed changes, in radians.
    """

    behavior: Behavior
    x: float
    y: float
    direction: int = 1
    travel: float = 0.5
    start: float = 0.0
    stop: float = 1.0
    outside: float = 0.25
    phase: float = 0.0


def path(plan: PathPlan, num_frames: int) -> FloatArray:
    """Return where the object's center is on each frame, shape (T, 2), as (x, y) fractions.

    ``hide`` and ``emerge`` are ordinary paths; the post that they pass is part of the scene.
    """
    time = np.linspace(0.0, 1.0, num_frames)
    uneven = time + 0.05 * np.sin(2 * np.pi * time + plan.phase) - 0.05 * np.sin(plan.phase)
    keys = _key_points(plan)
    clock = uneven if plan.behavior in ("cross", "climb", "drift") else time
    x = np.interp(clock, [key[0] for key in keys], [key[1] for key in keys])
    y = np.interp(clock, [key[0] for key in keys], [key[2] for key in keys])
    if plan.behavior == "wander":
        swing = 2 * np.pi * time
        x = plan.x + plan.travel / 2 * np.sin(swing + plan.phase)
        y = plan.y + plan.travel / 2 * np.sin(2 * swing + 0.7 * plan.phase)
    elif plan.behavior in ("cross", "enter", "leave", "return", "hide", "emerge"):
        # A slight rise and fall, so that no path is a straight line.
        y = y + 0.02 * np.sin(2 * np.pi * 1.5 * time + plan.phase)
    elif plan.behavior == "climb":
        x = x + 0.02 * np.sin(2 * np.pi * 1.5 * time + plan.phase)
    return _smooth(np.stack([x, y], axis=1), sigma=0.025 * num_frames)


def _key_points(plan: PathPlan) -> list[tuple[float, float, float]]:
    x, y, way = plan.x, plan.y, plan.direction
    start, stop = plan.start, plan.stop
    behind = -plan.outside if way > 0 else 1 + plan.outside
    ahead = 1 + plan.outside if way > 0 else -plan.outside
    if plan.behavior in ("cross", "hide", "drift"):
        half = plan.travel / 2
        return [(start, x - way * half, y), (stop, x + way * half, y)]
    if plan.behavior == "climb":
        half = plan.travel / 2
        return [(start, x, y - way * half), (stop, x, y + way * half)]
    if plan.behavior == "enter":
        return [(start, behind, y), (stop, x, y), (1.0, x + way * 0.06, y)]
    if plan.behavior == "leave":
        return [(0.0, x - way * 0.06, y), (start, x, y), (stop, ahead, y)]
    if plan.behavior == "return":
        middle = (start + stop) / 2
        return [
            (start - 0.22, x, y),
            (start, ahead, y),
            (middle, ahead + way * 0.05, y),
            (stop, ahead, y),
            (stop + 0.22, x, y),
        ]
    if plan.behavior == "emerge":
        return [(start, x, y), (stop, x + way * plan.travel, y)]
    return [(0.0, x, y), (1.0, x, y)]


def _smooth(points: FloatArray, *, sigma: float) -> FloatArray:
    """Smooth a path over time by a Gaussian; the ends keep their speed."""
    reach = int(np.ceil(2.5 * sigma))
    if reach < 1 or len(points) <= 2:
        return points
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    weights /= weights.sum()
    before = points[0] + (points[0] - points[1]) * np.arange(reach, 0, -1)[:, None]
    after = points[-1] + (points[-1] - points[-2]) * np.arange(1, reach + 1)[:, None]
    padded = np.concatenate([before, points, after])
    columns = [np.convolve(padded[:, axis], weights, mode="valid") for axis in range(2)]
    return np.stack(columns, axis=1)
