"""Overlap of two sequences of masks, counted frame by frame."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from videoseg.errors import ConfigError, EvaluationError, ShapeError
from videoseg.metrics.bands import BandLayout, ByteArray, count_bits
from videoseg.types import BoolArray, FloatArray, IntArray, Rle, Size
from videoseg.types.arrays import as_bool
from videoseg.types.rle import changes_of_rles
from videoseg.types.runs import Changes

__all__ = [
    "Counts",
    "FrameTally",
    "boundary_radius",
    "tally_arrays",
    "tally_rles",
]

Counts: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class FrameTally:
    """Pixel counts of a predicted and a true mask on each frame, and the F of their boundaries.

    Args:
        pred: Number of predicted pixels, shape (T,).
        target: Number of true pixels, shape (T,).
        intersection: Number of pixels in both, shape (T,).
        num_pixels: Number of pixels of a frame that count.
        boundary: F of each frame, shape (T,); None if it was not computed.
        object_boundary: F-dot of each frame, shape (T,); None if it was not computed.
        smoothing: Pixels that are added to intersection and union for J.
    """

    pred: Counts
    target: Counts
    intersection: Counts
    num_pixels: int
    boundary: FloatArray | None = None
    object_boundary: FloatArray | None = None
    smoothing: int = 0

    def __len__(self) -> int:
        return len(self.pred)

    @property
    def union(self) -> Counts:
        """Number of pixels in either, shape (T,)."""
        return self.pred + self.target - self.intersection

    @property
    def region(self) -> FloatArray:
        """J of each frame, shape (T,); 1 where both are empty."""
        union, more = self.union, self.smoothing
        return np.where(union > 0, (self.intersection + more) / (np.maximum(union, 1) + more), 1.0)

    @property
    def boundary_scores(self) -> FloatArray:
        """F of each frame, shape (T,).

        Raises:
            EvaluationError: If the boundaries have not been compared.
        """
        if self.boundary is None:
            raise EvaluationError("the boundaries have not been compared; give a tolerance")
        return self.boundary

    @property
    def object_boundary_scores(self) -> FloatArray:
        """F-dot of each frame, shape (T,).

        Raises:
            EvaluationError: If it has not been computed.
        """
        if self.object_boundary is None:
            raise EvaluationError("F-dot has not been computed; it needs boundary='object'")
        return self.object_boundary

    @property
    def first_shown(self) -> int:
        """The first frame on which either mask is not empty; 0 if there is none."""
        shown = np.flatnonzero(self.union)
        return int(shown[0]) if len(shown) else 0

    def since(self, frame: int) -> FrameTally:
        """Return the tally from this frame on."""
        return self.at(np.arange(frame, len(self)))

    def at(self, frames: IntArray) -> FrameTally:
        """Return the tally of these frames; -1 stands for a frame that scores 0."""
        missed = frames < 0

        def taken(values: FloatArray | None) -> FloatArray | None:
            return None if values is None else np.where(missed, 0.0, values[frames])

        return replace(
            self,
            # Two masks of one pixel that do not meet.
            pred=np.where(missed, 1, self.pred[frames]),
            target=np.where(missed, 1, self.target[frames]),
            intersection=np.where(missed, 0, self.intersection[frames]),
            boundary=taken(self.boundary),
            object_boundary=taken(self.object_boundary),
        )


_GROUP_PIXELS = 1_600_000
"""Pixels compared at a time, about two frames of 480p with both masks: smaller groups spend
their time in calls, larger ones do not fit into a processor's cache."""

_FRAMES_READ = 16
"""Number of frames whose runs are parsed at a time."""


def boundary_radius(tolerance: float, size: Size) -> float:
    """Return the tolerance in pixels; below 1 it is a fraction of the diagonal."""
    diagonal = math.hypot(*size)
    # No two pixels are farther apart than the diagonal.
    return min(tolerance, diagonal + 1) if tolerance >= 1 else math.ceil(tolerance * diagonal)


def tally_arrays(
    pred: BoolArray, target: BoolArray, *, tolerance: float | None = None
) -> FrameTally:
    """Count the overlap of dense masks.

    Args:
        pred: Predicted masks, shape (T, H, W).
        target: True masks, shape (T, H, W).
        tolerance: Boundary tolerance; None to skip boundaries.

    Raises:
        ShapeError: If the shapes differ or are not (T, H, W).
        ConfigError: If they hold anything but True and False, 0 and 1, or 0 and 255.
    """
    pred, target = _check_masks(pred, target)
    size = (int(target.shape[1]), int(target.shape[2]))
    counted = _Counter(len(target), size, tolerance)
    frames = ((_box(p, t), (p, t)) for p, t in zip(pred, target, strict=True))
    for indices, box, pairs in _groups(frames):
        rows, columns = slice(box.top, box.bottom), slice(box.left, box.right)
        layout = counted.layout(box)
        masks = [mask[rows, columns] for each in zip(*pairs, strict=True) for mask in each]
        counted.compare(indices, layout.pack(masks), layout)
    return counted.tally()


def tally_rles(
    pred: Sequence[Rle | None],
    target: Sequence[Rle | None],
    *,
    size: Size,
    tolerance: float | None = None,
    ignored: Sequence[Rle | None] | None = None,
) -> FrameTally:
    """Count the overlap of encoded masks without decoding them.

    Args:
        pred: Predicted masks; None for an empty one.
        target: True masks, as many.
        size: (height, width) of all of them.
        tolerance: Boundary tolerance; None to skip boundaries.
        ignored: Void pixels, which do not count, as many masks.

    Raises:
        EvaluationError: If the runs of a mask do not add up to this size.
        ShapeError: If a mask has another size.
    """
    counted = _Counter(len(target), size, tolerance)
    without: Sequence[Rle | None] = [None] * len(target) if ignored is None else ignored
    for indices, box, changes in _groups(_changes_by_frame(pred, target, without, size)):
        layout = counted.layout(box)
        preds, targets, skipped = zip(*changes, strict=True)
        packed = layout.pack_runs([*preds, *targets], left=box.left)
        if ignored is not None:
            skip = layout.pack_runs(skipped, left=box.left)
            packed &= ~np.concatenate([skip, skip])
        counted.compare(indices, packed, layout)
    return counted.tally()


_Runs = tuple[Changes, Changes, Changes]


def _changes_by_frame(
    pred: Sequence[Rle | None],
    target: Sequence[Rle | None],
    ignored: Sequence[Rle | None],
    size: Size,
) -> Iterator[tuple[_Box | None, _Runs]]:
    sequences = (pred, target, ignored)
    if len({len(sequence) for sequence in sequences}) > 1:
        raise ShapeError("pred", actual=(len(pred),), expected=f"({len(target)},)")
    for start in range(0, len(target), _FRAMES_READ):
        parts = [list(sequence[start : start + _FRAMES_READ]) for sequence in sequences]
        try:
            changes = iter(changes_of_rles([rle for part in parts for rle in part], size))
        except ConfigError as error:
            raise EvaluationError(str(error)) from error
        read = [[next(changes) for _ in part] for part in parts]
        for p, t, skip in zip(*read, strict=True):
            yield _box_of_changes(p, t, size), (p, t, skip)


class _Box(NamedTuple):
    """Bounding box of both masks of a frame, with a margin of one pixel."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def area(self) -> int:
        return (self.bottom - self.top) * (self.right - self.left)

    def around(self, other: _Box) -> _Box:
        return _Box(
            min(self.top, other.top),
            max(self.bottom, other.bottom),
            min(self.left, other.left),
            max(self.right, other.right),
        )


_T = TypeVar("_T")


def _groups(
    frames: Iterable[tuple[_Box | None, _T]],
) -> Iterator[tuple[list[int], _Box, list[_T]]]:
    """Yield groups of frames to compare together: indices, common box, and contents.

    Frames without a box are empty, and are left out.
    """
    indices: list[int] = []
    held: list[_T] = []
    common: _Box | None = None
    for index, (box, content) in enumerate(frames):
        if box is None:
            continue
        wider = box if common is None else common.around(box)
        if common is not None and wider.area * 2 * (len(indices) + 1) > _GROUP_PIXELS:
            yield indices, common, held
            indices, held, wider = [], [], box
        common = wider
        indices.append(index)
        held.append(content)
    if common is not None:
        yield indices, common, held


class _Counter:
    """Counts of all frames; they start with the values of empty frames."""

    def __init__(self, num_frames: int, size: Size, tolerance: float | None) -> None:
        self.size, self.boundary = size, tolerance is not None
        self.radius = boundary_radius(tolerance or 1, size)
        self.pixels = np.zeros((3, num_frames), dtype=np.int64)
        self.scores = np.ones(num_frames)

    def layout(self, box: _Box) -> BandLayout:
        return BandLayout.of((box.bottom - box.top, box.right - box.left), self.radius)

    def compare(self, indices: list[int], packed: ByteArray, layout: BandLayout) -> None:
        """Compare K packed predictions with the K targets after them; their padding is cleared."""
        half = len(indices)
        edges = layout.boundaries(packed) if self.boundary else None
        layout.cleared(packed)
        areas = count_bits(packed)
        both = count_bits(packed[:half] & packed[half:])
        self.pixels[:, indices] = [areas[:half], areas[half:], both]
        if edges is not None:
            totals = count_bits(edges)
            near = layout.dilated(edges)
            near[:half] &= edges[half:]
            near[half:] &= edges[:half]
            found, matched = near[:half], near[half:]
            hits = [*count_bits(matched), *count_bits(found)]
            self.scores[indices] = [
                _f_measure((hits[k], hits[half + k]), (totals[k], totals[half + k]))
                for k in range(half)
            ]

    def tally(self) -> FrameTally:
        pred, target, both = self.pixels
        scores = self.scores if self.boundary else None
        return FrameTally(pred, target, both, self.size[0] * self.size[1], scores)


def _check_masks(pred: BoolArray, target: BoolArray) -> tuple[BoolArray, BoolArray]:
    pred, target = np.asarray(pred), np.asarray(target)
    if target.ndim != 3:
        raise ShapeError("target", actual=target.shape, expected="(T, H, W)")
    if pred.shape != target.shape:
        raise ShapeError("pred", actual=pred.shape, expected=str(target.shape))
    return as_bool(pred, "pred"), as_bool(target, "target")


def _box_of_changes(pred: Changes, target: Changes, size: Size) -> _Box | None:
    height, width = size
    shown = [changes for changes in (pred, target) if len(changes)]
    if not shown:
        return None
    left = min(int(changes[0]) for changes in shown) // height
    # A mask that changes an odd number of times is set up to the last pixel.
    right = max(
        width if len(changes) % 2 else (int(changes[-1]) - 1) // height + 1 for changes in shown
    )
    return _Box(0, height, max(0, left - 1), min(width, right + 1))


def _f_measure(matched: tuple[int, int], total: tuple[int, int]) -> float:
    if not all(total):
        return float(not any(total))
    precision, recall = matched[0] / total[0], matched[1] / total[1]
    return 2 * precision * recall / (precision + recall) if any(matched) else 0.0


def _box(pred: BoolArray, target: BoolArray) -> _Box | None:
    height, width = pred.shape
    top, bottom = height, 0
    for mask in (pred, target):
        # Searching bytes is faster than finding rows with NumPy.
        pixels = mask.tobytes()
        first = pixels.find(b"\1")
        if first >= 0:
            top = min(top, first // width)
            bottom = max(bottom, pixels.rfind(b"\1") // width + 1)
    if bottom == 0:
        return None
    columns = pred[top:bottom].any(axis=0) | target[top:bottom].any(axis=0)
    shown = np.flatnonzero(columns)
    left, right = int(shown[0]), int(shown[-1]) + 1
    return _Box(max(0, top - 1), min(height, bottom + 1), max(0, left - 1), min(width, right + 1))
