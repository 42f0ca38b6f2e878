"""Counting the overlap of two sequences of masks, frame by frame."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np

from videoseg.errors import ShapeError
from videoseg.metrics.bands import BandLayout, ByteArray, count_bits
from videoseg.metrics.runs import Changes, changes_of
from videoseg.metrics.tally import FrameTally
from videoseg.types import BoolArray, Rle, Size

__all__ = ["boundary_radius", "tally_arrays", "tally_rles"]

_Row = tuple[int, int, int, float]
_NOTHING: _Row = (0, 0, 0, 1.0)


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
    """Count the overlap of encoded masks, none of which is ever made dense.

    Args:
        pred: Predicted masks; None for an empty one.
        target: True masks, as many.
        size: (height, width) of all of them.
        tolerance: Of the boundaries; None to leave them out.
        ignored: Pixels that count neither way, as many masks.

    Raises:
        EvaluationError: If the runs of a mask are not those of a frame of this size.
        ShapeError: If a mask has another size.
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
    masks = [changes_of(rle, size) for rle in (pred, target)]
    if skip is None and np.array_equal(masks[0], masks[1]):
        area = _area(masks[0], size)
        return (area, area, area, 1.0)
    columns = _shared_columns(masks, size)
    if columns is None:
        return _NOTHING
    layout = _layout((size[0], len(columns)), boundary_radius(tolerance or 1, size))
    packed = layout.pack_runs(masks, left=columns.start)
    if skip is not None:
        packed &= ~layout.pack_runs([changes_of(skip, size)], left=columns.start)
    return _compare(packed, layout, boundary=tolerance is not None)


def _shared_columns(masks: Sequence[Changes], size: Size) -> range | None:
    """Return the columns that hold all masks and one pixel around them."""
    height, width = size
    shown = [changes for changes in masks if len(changes)]
    if not shown:
        return None
    left = min(int(changes[0]) for changes in shown) // height
    # A mask that changes an odd number of times is set up to the last pixel.
    right = max(
        width if len(changes) % 2 else (int(changes[-1]) - 1) // height + 1 for changes in shown
    )
    return range(max(0, left - 1), min(width, right + 1))


def _area(changes: Changes, size: Size) -> int:
    whole = np.append(changes, size[0] * size[1]) if len(changes) % 2 else changes
    return int(np.diff(whole)[::2].sum())


def _count(pred: BoolArray, target: BoolArray, size: Size, tolerance: float | None) -> _Row:
    box = _shared_box(pred, target)
    if box is None:
        return _NOTHING
    if tolerance is None:
        pred, target = pred[box], target[box]
        counts = [int(np.count_nonzero(mask)) for mask in (pred, target, pred & target)]
        return (counts[0], counts[1], counts[2], 1.0)
    layout = _layout(pred[box].shape, boundary_radius(tolerance, size))
    return _compare(layout.pack([pred[box], target[box]]), layout, boundary=True)


def _compare(packed: ByteArray, layout: BandLayout, *, boundary: bool) -> _Row:
    """Count on two packed masks; their padding is lost."""
    score = 1.0
    edges = layout.boundaries(packed) if boundary else None
    layout.cleared(packed)
    if edges is not None:
        totals = [count_bits(edge) for edge in edges]
        score = float(not any(totals))
        if all(totals):
            near = layout.dilated(edges)[::-1]
            matched = [count_bits(edge & other) for edge, other in zip(edges, near, strict=True)]
            score = _f_measure(matched, totals)
    pred, target = packed
    return (count_bits(pred), count_bits(target), count_bits(pred & target), score)


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
