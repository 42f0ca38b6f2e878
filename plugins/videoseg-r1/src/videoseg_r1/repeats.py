"""One object said several times."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from videoseg_r1.objects import MAX_POINTS, ObjectAnswer
from videoseg_r1.places import XY, Corners

__all__ = ["SAME_OBJECT_IOU", "Distinct"]

SAME_OBJECT_IOU = 0.9
"""From which overlap on two boxes are one object.

Two boxes of 40 units a side that differ by a unit on every side have 0.9: that much comes of
rounding. Things that merely hug each other have less; SAM's automatic masks count as
duplicates from 0.7 on, but there the masks decide, too.
"""


@dataclass(slots=True)
class Distinct:
    """Collects objects, each once; those of which the limit is exceeded are only counted.

    Args:
        limit: How many are kept.
        objects: Those kept.
        num_repeats: How many were one that is kept, said again.
        num_over_limit: How many more there were.
    """

    limit: int
    objects: list[ObjectAnswer] = field(default_factory=list)
    num_repeats: int = 0
    num_over_limit: int = 0
    _boxes: NDArray[np.float64] = field(init=False)
    _points: dict[tuple[str | None, XY], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # A box of no extent overlaps with nothing.
        self._boxes = np.zeros((self.limit, 4))

    @property
    def num_said(self) -> int:
        """How many objects were added, repeated ones and those over the limit among them."""
        return len(self.objects) + self.num_repeats + self.num_over_limit

    def add(self, found: Iterable[ObjectAnswer]) -> None:
        """Add objects; what is said of a repeated one is added to the first."""
        for one in found:
            same = self._same(one)
            if same is not None:
                self.num_repeats += 1
                self.objects[same] = _joined(self.objects[same], one)
            elif len(self.objects) == self.limit:
                self.num_over_limit += 1
            else:
                if one.box is None:
                    self._points[one.space, one.points[0]] = len(self.objects)
                else:
                    self._boxes[len(self.objects)] = one.box
                self.objects.append(one)

    def _same(self, one: ObjectAnswer) -> int | None:
        if one.box is None:
            return self._points.get((one.space, one.points[0]))
        overlaps = _overlaps(one.box, self._boxes[: len(self.objects)])
        for number in np.flatnonzero(overlaps >= SAME_OBJECT_IOU):
            if self.objects[number].space == one.space:
                return int(number)
        return None


def _overlaps(box: Corners, boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the IoU of a box with each of several."""
    low = np.maximum(boxes[:, :2], box[:2])
    high = np.minimum(boxes[:, 2:], box[2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=1)
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    overlaps: NDArray[np.float64] = shared / (
        areas + (box[2] - box[0]) * (box[3] - box[1]) - shared
    )
    return overlaps


def _joined(first: ObjectAnswer, again: ObjectAnswer) -> ObjectAnswer:
    return replace(
        first,
        points=_union(first.points, again.points),
        negative_points=_union(first.negative_points, again.negative_points),
        label=first.label or again.label,
    )


def _union(first: tuple[XY, ...], again: tuple[XY, ...]) -> tuple[XY, ...]:
    if set(again) <= set(first) or len(first) >= MAX_POINTS:
        return first
    return tuple(dict.fromkeys((*first, *again)))[:MAX_POINTS]
