"""Measurements of what is visible in a scene, frame by frame, from its exact labels.

Questions are asked only where people would agree on the answer. The thresholds below leave a
margin between yes and no, in which ``moves`` and ``is_still`` return None; they were chosen by
hand. Lengths are fractions of the picture, so that they do not depend on its size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from videoseg.types import BoolArray, FloatArray, Frame, IntArray, Window
from videoseg_synthetic.renderer import SceneRenderer
from videoseg_synthetic.scene import Scene, SceneObject

__all__ = ["DIRECTIONS", "Direction", "Measurements", "measure"]

Direction: TypeAlias = Literal["left", "right", "up", "down"]

DIRECTIONS: tuple[Direction, ...] = ("left", "right", "up", "down")

_SEEN = 0.15
"""Visible part of an object from which it counts as seen."""

# Displacement as a fraction of width or height.
_MOVES = 0.18  # at least: it clearly moves
_MOVES_ASTRAY = 0.45  # at most this share of it sideways
_MOVES_BACK = 0.2  # and this share of it back
_DOES_NOT_MOVE = 0.075  # at most: it clearly does not

# Extent of all positions as a fraction of the frame diagonal.
_STILL = 0.02  # at most: it clearly stands still
_NOT_STILL = 0.06  # at least: it clearly does not

# Frames on which people judge motion: those that show at least this share of the largest area.
_SHOWN_SHARES = (0.8, 0.95)

# Events must be this far apart for their order to be visible.
_SHORTEST_WAIT = 4  # frames, at least
_SHORTEST_WAIT_SHARE = 0.1  # of the clip

_SPEED_SPAN = 4
"""Frames over which speed is measured, so that a shaking camera does not count as speed."""


@dataclass(frozen=True, eq=False)
class Measurements:
    """What is visible of each object. Object ``k`` is ``scene.objects[k]``.

    Args:
        scene: The scene.
        labels: Object id of each pixel of each frame, shape (T, H, W).
        areas: Visible pixels, shape (N, T).
        amodal: Pixels inside the picture, hidden ones included, shape (N, T).
        centroids: Center of the visible pixels as (x, y), shape (N, T, 2); NaN if none.
        boxes: Half-open xyxy box of the visible pixels, shape (N, T, 4); zeros if none.
        covered: See ``Layout.covered``, shape (T, N + 1, N + 1).
    """

    scene: Scene
    labels: Frame
    areas: IntArray
    amodal: IntArray
    centroids: FloatArray
    boxes: IntArray
    covered: IntArray

    @property
    def objects(self) -> tuple[SceneObject, ...]:
        """The objects, in order."""
        return self.scene.objects

    @property
    def num_frames(self) -> int:
        """Length of the clip."""
        return int(self.areas.shape[1])

    @property
    def full_areas(self) -> FloatArray:
        """Pixels of each whole object, shape (N,)."""
        return np.array([np.pi * item.radius**2 for item in self.objects])

    @property
    def fractions(self) -> FloatArray:
        """Visible part of each object, about 0..1, shape (N, T)."""
        fractions: FloatArray = self.areas / self.full_areas[:, None]
        return fractions

    @property
    def seen(self) -> BoolArray:
        """Whether enough of each object is visible to count as seen, shape (N, T)."""
        return np.asarray(self.fractions >= _SEEN)

    @property
    def gone(self) -> BoolArray:
        """Whether nothing of each object is visible, shape (N, T)."""
        return np.asarray(self.areas == 0)

    @property
    def shortest_wait(self) -> int:
        """How many frames two events must be apart for their order to be visible."""
        return max(_SHORTEST_WAIT, int(np.ceil(_SHORTEST_WAIT_SHARE * self.num_frames)))

    def same_color(self, index: int) -> list[int]:
        """Return the objects of the same color, the given one included."""
        color = self.objects[index].color
        return [k for k, item in enumerate(self.objects) if item.color == color]

    def first_visible(self, index: int) -> int:
        """Return the first frame on which any of an object is visible."""
        return int(np.flatnonzero(~self.gone[index])[0])

    def last_visible(self, index: int) -> int:
        """Return the last frame on which any of an object is visible."""
        return int(np.flatnonzero(~self.gone[index])[-1])

    def seen_window(self, index: int) -> Window:
        """Return the window from the first to the last frame on which an object is seen."""
        frames = np.flatnonzero(self.seen[index])
        return Window(int(frames[0]), int(frames[-1]) + 1)

    def co_seen(self, first: int, second: int) -> IntArray:
        """Return the frames on which both objects are seen."""
        return np.flatnonzero(self.seen[first] & self.seen[second])

    def screen(self, index: int) -> FloatArray:
        """Return the center of the whole object in the picture, shape (T, 2)."""
        return self.scene.screen_positions(self.objects[index])

    def displacement(self, index: int, direction: Direction) -> float:
        """Return how far an object moves in a direction, as a fraction of width or height.

        The largest displacement between an earlier and a later frame of one shot on which it is
        seen. It is measured in the picture and against the ground, over all such frames and over
        those that show it well; the smallest of these is returned.
        """
        return min(self._displacements(index, direction))

    def largest_displacement(self, index: int, direction: Direction) -> float:
        """Return the same as ``displacement``, but the largest of these measurements."""
        return max(self._displacements(index, direction))

    def moves(self, index: int, direction: Direction) -> bool | None:
        """Return whether an object moves in a direction; None if people might disagree."""
        across: tuple[Direction, Direction]
        along: tuple[Direction, Direction]
        along, across = ("left", "right"), ("up", "down")
        if direction in across:
            along, across = across, along
        back = along[1] if direction == along[0] else along[0]
        height, width = self.scene.size
        ratio = height / width if direction in ("left", "right") else width / height
        way = self.displacement(index, direction)
        astray = max(self.largest_displacement(index, side) for side in across) * ratio
        returned = self.largest_displacement(index, back)
        if way >= _MOVES and astray <= _MOVES_ASTRAY * way and returned <= _MOVES_BACK * way:
            return True
        if self.largest_displacement(index, direction) <= _DOES_NOT_MOVE:
            return False
        return None

    def speeds(self, index: int) -> tuple[float, float]:
        """Return mean and peak speed while seen, in frame diagonals per second.

        The smallest of the measurements described in ``displacement``.
        """
        pairs = self._speeds(index)
        return min(pair[0] for pair in pairs), min(pair[1] for pair in pairs)

    def highest_speeds(self, index: int) -> tuple[float, float]:
        """Return the same as ``speeds``, but the largest of these measurements."""
        pairs = self._speeds(index)
        return max(pair[0] for pair in pairs), max(pair[1] for pair in pairs)

    def is_still(self, index: int) -> bool | None:
        """Return whether an object stands still; None if people might disagree."""
        diagonal = float(np.hypot(*self.scene.size))
        spans = []
        for points, shown in self._views(index):
            for shot in np.unique(self.scene.shots):
                frames = shown & (self.scene.shots == shot)
                if frames.any():
                    spans.append(float(np.hypot(*np.ptp(points[frames], axis=0))) / diagonal)
        if max(spans) <= _STILL:
            return True
        return False if min(spans) >= _NOT_STILL else None

    def gaps(self, index: int) -> list[Window]:
        """Return the windows between seen frames in which nothing of an object is visible."""
        window = self.seen_window(index)
        hidden = self.gone[index, window.start : window.stop]
        edges = np.flatnonzero(np.diff(np.concatenate([[0], hidden.astype(np.int8), [0]])))
        return [
            Window(window.start + int(start), window.start + int(stop))
            for start, stop in edges.reshape(-1, 2)
        ]

    def lowest_fraction_between(self, index: int) -> float:
        """Return the smallest visible part between the first and last frame it is seen."""
        window = self.seen_window(index)
        return float(self.fractions[index, window.start : window.stop].min())

    def _views(self, index: int) -> list[tuple[FloatArray, BoolArray]]:
        """Return the ways in which people may judge motion: positions, and the frames used."""
        best = self.areas[index].max()
        return [
            (points, shown)
            for points in (self.screen(index), self.objects[index].positions)
            for shown in (
                self.seen[index],
                *(np.asarray(self.areas[index] >= share * best) for share in _SHOWN_SHARES),
            )
        ]

    def _displacements(self, index: int, direction: Direction) -> list[float]:
        axis = 0 if direction in ("left", "right") else 1
        sign = 1.0 if direction in ("right", "down") else -1.0
        extent = self.scene.size[1 - axis]
        found = []
        for points, shown in self._views(index):
            longest = 0.0
            for shot in np.unique(self.scene.shots):
                along = sign * points[shown & (self.scene.shots == shot), axis]
                if len(along):
                    longest = max(longest, float((along - np.minimum.accumulate(along)).max()))
            found.append(longest / extent)
        return found

    def _speeds(self, index: int) -> list[tuple[float, float]]:
        diagonal = float(np.hypot(*self.scene.size))
        shots = self.scene.shots
        span = max(1, min(_SPEED_SPAN, self.num_frames - 1))
        found = []
        for points, shown in self._views(index):
            usable = shown[span:] & shown[:-span] & (shots[span:] == shots[:-span])
            steps = np.hypot(*(points[span:] - points[:-span]).T)[usable]
            rate = steps / span * self.scene.fps / diagonal
            found.append(
                (float(rate.mean()), float(np.percentile(rate, 90))) if len(rate) else (0.0, 0.0)
            )
        return found


def measure(renderer: SceneRenderer) -> Measurements:
    """Lay out every frame of a scene and measure its objects."""
    scene = renderer.scene
    count, total = len(scene.objects), scene.num_frames
    labels = np.empty((total, *scene.size), dtype=np.uint8)
    areas = np.zeros((count, total), dtype=np.int64)
    amodal = np.zeros((count, total), dtype=np.int64)
    centroids = np.full((count, total, 2), np.nan)
    boxes = np.zeros((count, total, 4), dtype=np.int64)
    covered = np.zeros((total, count + 1, count + 1), dtype=np.int64)
    for frame in range(total):
        layout = renderer.layout(frame)
        labels[frame] = layout.labels
        amodal[:, frame] = layout.amodal_areas[1:]
        covered[frame] = layout.covered
        for index in range(count):
            if not layout.amodal_areas[index + 1]:
                continue
            mine = layout.labels == index + 1
            columns, rows = mine.sum(axis=0), mine.sum(axis=1)
            area = int(columns.sum())
            if not area:
                continue
            areas[index, frame] = area
            filled_x, filled_y = np.flatnonzero(columns), np.flatnonzero(rows)
            # The center of a pixel lies half a pixel from its corner.
            centroids[index, frame] = (
                float(columns @ np.arange(len(columns))) / area + 0.5,
                float(rows @ np.arange(len(rows))) / area + 0.5,
            )
            boxes[index, frame] = (filled_x[0], filled_y[0], filled_x[-1] + 1, filled_y[-1] + 1)
    return Measurements(scene, labels, areas, amodal, centroids, boxes, covered)
