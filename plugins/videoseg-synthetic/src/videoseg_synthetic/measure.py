"""What can be seen in a rendered scene, measured frame by frame from its exact labels."""

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
"""Part of an object that must show for it to count as seen."""


@dataclass(frozen=True, eq=False)
class Measurements:
    """What can be seen of each object. Object ``k`` is ``scene.objects[k]``.

    Args:
        scene: The scene.
        labels: Object id of each pixel of each frame, shape (T, H, W).
        areas: Visible pixels, shape (N, T).
        amodal: Pixels inside the picture if nothing were in front, shape (N, T).
        centroids: Centre of the visible pixels as (x, y), shape (N, T, 2); NaN if none.
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
        """Whether enough of each object shows to speak of it, shape (N, T)."""
        return np.asarray(self.fractions >= _SEEN)

    @property
    def gone(self) -> BoolArray:
        """Whether nothing of each object shows, shape (N, T)."""
        return np.asarray(self.areas == 0)

    @property
    def shortest_wait(self) -> int:
        """How many frames two events must lie apart for people to see their order."""
        return max(4, int(np.ceil(0.1 * self.num_frames)))

    def same_color(self, index: int) -> list[int]:
        """Return the objects of the same color, the given one included."""
        color = self.objects[index].color
        return [k for k, item in enumerate(self.objects) if item.color == color]

    def first_visible(self, index: int) -> int:
        """Return the first frame that shows any of an object."""
        return int(np.flatnonzero(~self.gone[index])[0])

    def last_visible(self, index: int) -> int:
        """Return the last frame that shows any of an object."""
        return int(np.flatnonzero(~self.gone[index])[-1])

    def seen_window(self, index: int) -> Window:
        """Return the window from the first to the last frame on which an object is seen."""
        frames = np.flatnonzero(self.seen[index])
        return Window(int(frames[0]), int(frames[-1]) + 1)

    def co_seen(self, first: int, second: int) -> IntArray:
        """Return the frames on which both objects are seen."""
        return np.flatnonzero(self.seen[first] & self.seen[second])

    def screen(self, index: int) -> FloatArray:
        """Return the centre of the whole object in the picture, shape (T, 2)."""
        return self.scene.screen_positions(self.objects[index])

    def excursion(self, index: int, direction: Direction) -> float:
        """Return how far an object goes in a direction, as a fraction of width or height.

        The longest way between an earlier and a later frame on which it is seen, within one
        shot; the smallest of what it is in the picture and against the ground, over the
        frames that show it well and over all.
        """
        return min(self._excursions(index, direction))

    def longest_excursion(self, index: int, direction: Direction) -> float:
        """Return the same as ``excursion``, but the largest of these."""
        return max(self._excursions(index, direction))

    def goes(self, index: int, direction: Direction) -> bool | None:
        """Return whether an object moves in a direction; None if people could disagree."""
        across: tuple[Direction, Direction]
        along: tuple[Direction, Direction]
        along, across = ("left", "right"), ("up", "down")
        if direction in across:
            along, across = across, along
        back = along[1] if direction == along[0] else along[0]
        height, width = self.scene.size
        ratio = height / width if direction in ("left", "right") else width / height
        way = self.excursion(index, direction)
        astray = max(self.longest_excursion(index, side) for side in across) * ratio
        returned = self.longest_excursion(index, back)
        if way >= 0.18 and astray <= 0.45 * way and returned <= 0.2 * way:
            return True
        if self.longest_excursion(index, direction) <= 0.075:
            return False
        return None

    def speeds(self, index: int) -> tuple[float, float]:
        """Return mean and peak speed while seen, in frame diagonals per second.

        Of motion in the picture and against the ground, over the frames that show it well
        and over all, the smallest.
        """
        pairs = self._speeds(index)
        return min(pair[0] for pair in pairs), min(pair[1] for pair in pairs)

    def highest_speeds(self, index: int) -> tuple[float, float]:
        """Return the same as ``speeds``, but the largest of these."""
        pairs = self._speeds(index)
        return max(pair[0] for pair in pairs), max(pair[1] for pair in pairs)

    def stays(self, index: int) -> bool | None:
        """Return whether an object stands still; None if people could disagree."""
        diagonal = float(np.hypot(*self.scene.size))
        spans = []
        for points, shown in self._views(index):
            for shot in np.unique(self.scene.shots):
                frames = shown & (self.scene.shots == shot)
                if frames.any():
                    spans.append(float(np.hypot(*np.ptp(points[frames], axis=0))) / diagonal)
        if max(spans) <= 0.02:
            return True
        return False if min(spans) >= 0.06 else None

    def gaps(self, index: int) -> list[Window]:
        """Return the windows between seen frames during which nothing of an object shows."""
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
        """Return the ways people may judge motion: positions, and the frames they go by."""
        best = self.areas[index].max()
        return [
            (points, shown)
            for points in (self.screen(index), self.objects[index].positions)
            for shown in (
                self.seen[index],
                np.asarray(self.areas[index] >= 0.8 * best),
                np.asarray(self.areas[index] >= 0.95 * best),
            )
        ]

    def _excursions(self, index: int, direction: Direction) -> list[float]:
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
        # Over a few frames, so that a shaking hand does not count as speed.
        span = max(1, min(4, self.num_frames - 1))
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
            # The centre of a pixel lies half a pixel from its corner.
            centroids[index, frame] = (
                float(columns @ np.arange(len(columns))) / area + 0.5,
                float(rows @ np.arange(len(rows))) / area + 0.5,
            )
            boxes[index, frame] = (filled_x[0], filled_y[0], filled_x[-1] + 1, filled_y[-1] + 1)
    return Measurements(scene, labels, areas, amodal, centroids, boxes, covered)
