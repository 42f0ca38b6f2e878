"""Counting the overlap of two sequences of masks, frame by frame."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np

from videoseg.errors import EvaluationError, ShapeError
from videoseg.metrics.bands import BandLayout, count_bits
from videoseg.metrics.tally import FrameTally
from videoseg.types import BoolArray, Rle, Size

__all__ = ["boundary_radius", "tally_arrays", "tally_rles"]

_Row = tuple[int, int, int, float]


def boundary_radius(tolerance: float, size: Size) -> float:
    """Return how many pixels apart boundaries may be: a fraction of the diagonal, or pixels."""
    return tolerance if tolerance >= 1 else math.ceil(tolerance * math.hypot(*size))


def tally_arrays(
    pred: BoolArray, target: BoolArray, *, tolerance: float | None = None
) -> FrameTally:
    """Count the overlap of dense masks.

    Args:
        pred: Predicted masks, shape (T, H, W).
        target: True masks, shape (T, H, W).
        tolerance: Of the boundaries; None to leave them out.

    Raises:
        ShapeError: If the shapes differ or are not (T, H, W).
    """
    pred, target = _alike(pred, target)
    size = (int(target.shape[1]), int(target.shape[2]))
    rows = (_count(p, t, size, tolerance) for p, t in zip(pred, target, strict=True))
    return _tally(rows, size, boundary=tolerance is not None)


def tally_rles(
    pred: Sequence[Rle | None],
    target: Sequence[Rle | None],
    *,
    size: Size,
    tolerance: float | None = None,
    ignored: Sequence[Rle | None] | None = None,
) -> FrameTally:
    """Count the overlap of encoded masks, of which one pair at a time is ever dense.

    Args:
        pred: Predicted masks; None for an empty one.
        target: True masks, as many.
        size: (height, width) of all of them.
        tolerance: Of the boundaries; None to leave them out, and to decode nothing.
        ignored: Pixels that count neither way, as many masks.

    Raises:
        EvaluationError: If a mask cannot be decoded.
    """
    without: Sequence[Rle | None] = [None] * len(target) if ignored is None else ignored
    rows = (
        _count_rles(p, t, skip, size, tolerance)
        for p, t, skip in zip(pred, target, without, strict=True)
    )
    return _tally(rows, size, boundary=tolerance is not None)


def _tally(rows: Iterable[_Row], size: Size, *, boundary: bool) -> FrameTally:
    columns = list(zip(*rows, strict=True)) or [(), (), (), ()]
    pred, target, intersection = (np.array(column, dtype=np.int64) for column in columns[:3])
    scores = np.array(columns[3], dtype=np.float64) if boundary else None
    return FrameTally(pred, target, intersection, size[0] * size[1], scores)


def _alike(pred: BoolArray, target: BoolArray) -> tuple[BoolArray, BoolArray]:
    pred, target = np.asarray(pred), np.asarray(target)
    if target.ndim != 3:
        raise ShapeError("target", actual=target.shape, expected="(T, H, W)")
    if pred.shape != target.shape:
        raise ShapeError("pred", actual=pred.shape, expected=str(target.shape))
    return pred.astype(bool, copy=False), target.astype(bool, copy=False)


def _count_rles(
    pred: Rle | None, target: Rle | None, skip: Rle | None, size: Size, tolerance: float | None
) -> _Row:
    if skip is not None:
        keep = ~_decoded(skip, size)
        masks = [
            np.zeros(keep.shape, dtype=bool) if rle is None else _decoded(rle, size) & keep
            for rle in (pred, target)
        ]
        return _count(masks[0], masks[1], (size[1], size[0]), tolerance)
    if pred is None or target is None or pred.counts == target.counts:
        return _count_without_decoding(pred, target, size)
    if tolerance is None:
        return _count_by_runs(pred, target)
    return _count(_decoded(pred, size), _decoded(target, size), (size[1], size[0]), tolerance)


def _count_without_decoding(pred: Rle | None, target: Rle | None, size: Size) -> _Row:
    if pred is not None and target is not None:
        return (pred.area, pred.area, pred.area, 1.0)
    areas = [0 if rle is None else rle.area for rle in (pred, target)]
    # Neither an empty nor a full frame has a boundary.
    alike = max(areas) in (0, size[0] * size[1])
    return (areas[0], areas[1], 0, float(alike))


def _count_by_runs(pred: Rle, target: Rle) -> _Row:
    from pycocotools import mask as coco

    both = coco.merge([pred.to_coco(), target.to_coco()], intersect=True)
    return (pred.area, target.area, int(coco.area(both)), 1.0)


def _decoded(rle: Rle, size: Size) -> BoolArray:
    """Return a mask turned on its side, shape (W, H): that is how its runs lie in memory.

    Areas, boundaries and disks are the same either way round.
    """
    from pycocotools import mask as coco

    if tuple(rle.size) != tuple(size):
        raise ShapeError("a mask", actual=tuple(rle.size), expected=str(tuple(size)))
    try:
        decoded: BoolArray = coco.decode(rle.to_coco()).T.view(np.bool_)
    except ValueError as error:
        raise EvaluationError(
            f"a mask of {size[0]}x{size[1]} pixels cannot be decoded: {error}; its runs must "
            "add up to the pixels of the frame"
        ) from error
    return decoded


def _count(pred: BoolArray, target: BoolArray, size: Size, tolerance: float | None) -> _Row:
    box = _shared_box(pred, target)
    if box is None:
        return (0, 0, 0, 1.0)
    if tolerance is None:
        pred, target = pred[box], target[box]
        counts = [int(np.count_nonzero(mask)) for mask in (pred, target, pred & target)]
        return (counts[0], counts[1], counts[2], 1.0)
    cropped = [np.ascontiguousarray(pred[box]), np.ascontiguousarray(target[box])]
    layout = _layout(cropped[0].shape, boundary_radius(tolerance, size))
    packed = layout.pack(cropped)
    edges = layout.boundaries(packed)
    layout.cleared(packed)
    num_edges = [count_bits(edge) for edge in edges]
    score = float(not any(num_edges))
    if all(num_edges):
        near = layout.dilated(edges)
        matched = [count_bits(edge & other) for edge, other in zip(edges, near[::-1], strict=True)]
        score = _f_measure(matched, num_edges)
    areas = (count_bits(packed[0]), count_bits(packed[1]))
    return (*areas, count_bits(packed[0] & packed[1]), score)


def _f_measure(matched: Sequence[int], total: Sequence[int]) -> float:
    precision, recall = matched[0] / total[0], matched[1] / total[1]
    return 2 * precision * recall / (precision + recall) if any(matched) else 0.0


@lru_cache(maxsize=64)
def _layout(shape: Size, radius: float) -> BandLayout:
    return BandLayout.of(shape, radius)


def _shared_box(pred: BoolArray, target: BoolArray) -> tuple[slice, slice] | None:
    """Return the rows and columns that hold both masks and one pixel around them."""
    height, width = pred.shape
    top, bottom = height, 0
    for mask in (pred, target):
        # Searching bytes is faster than asking NumPy for the rows that hold something.
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
    rows = slice(max(0, top - 1), min(height, bottom + 1))
    return rows, slice(max(0, left - 1), min(width, right + 1))
