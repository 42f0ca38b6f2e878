"""F whose tolerance depends on the size of the object, as in MOSEv2."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from videoseg.types import BoolArray, FloatArray, IntArray, Rle, Size

__all__ = ["object_boundary_scores"]

# The constants of the paper and of metricsv2.py: shares of the object's side and of the diagonal.
_OF_SIDE = 0.1
_OF_DIAGONAL = 0.008


def object_boundary_scores(
    pred: Sequence[Rle | None], target: Sequence[Rle | None], size: Size
) -> tuple[FloatArray, FloatArray]:
    """Return F-dot and F of each frame by the rules of MOSEv2 (``metricsv2.py`` of MOSE-api).

    The tolerance of F-dot is ``ceil(0.1 * sqrt(area))`` pixels for a true mask of this area, but
    at most ``0.008 * diagonal``. That of F is ``ceil(0.008 * diagonal)``. Where the bound of
    F-dot applies, the official code uses it, not rounded, for F as well; its disk then has half
    a pixel more on one side than on the other, which is kept here, so that the scores are the
    same.

    Args:
        pred: Predicted masks; None for an empty one.
        target: True masks, as many.
        size: (height, width) of all of them.

    Returns:
        F-dot and F, each in [0, 1], shape (T,). Two frames without a boundary score 1, one with
        and one without score 0.
    """
    scores = np.ones((2, len(target)))
    for frame, (predicted, true) in enumerate(zip(pred, target, strict=True)):
        if predicted is None and true is None:
            continue
        masks = [
            np.zeros(size, bool) if rle is None else rle.decode() for rle in (predicted, true)
        ]
        scores[:, frame] = _scores_of_frame(masks[0], masks[1])
    return scores[0], scores[1]


def _scores_of_frame(pred: BoolArray, target: BoolArray) -> tuple[float, float]:
    edges = (_boundary(pred), _boundary(target))
    if not edges[0].any() or not edges[1].any():
        same = float(edges[0].any() == edges[1].any())
        return same, same
    bound = _OF_DIAGONAL * float(np.linalg.norm(np.array(pred.shape)))
    radius = float(np.ceil(_OF_SIDE * np.sqrt(np.count_nonzero(target))))
    box = _box_of(edges[0] | edges[1], margin=math.ceil(bound) + 2)
    cut = (edges[0][box], edges[1][box])
    if radius >= bound:
        both = _f_measure(*cut, bound)
        return both, both
    return _f_measure(*cut, radius), _f_measure(*cut, float(np.ceil(bound)))


def _f_measure(pred: BoolArray, target: BoolArray, radius: float) -> float:
    precision = np.count_nonzero(pred & _dilated(target, radius)) / np.count_nonzero(pred)
    recall = np.count_nonzero(target & _dilated(pred, radius)) / np.count_nonzero(target)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _boundary(mask: BoolArray) -> BoolArray:
    """Return where a pixel differs from its right, lower or lower-right neighbor."""
    edges = np.zeros(mask.shape, bool)
    edges[:, :-1] |= mask[:, :-1] ^ mask[:, 1:]
    edges[:-1] |= mask[:-1] ^ mask[1:]
    edges[:-1, :-1] |= mask[:-1, :-1] ^ mask[1:, 1:]
    return edges


def _box_of(mask: BoolArray, margin: int) -> tuple[slice, slice]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return (
        slice(max(0, int(rows[0]) - margin), int(rows[-1]) + margin + 1),
        slice(max(0, int(columns[0]) - margin), int(columns[-1]) + margin + 1),
    )


def _dilated(mask: BoolArray, radius: float) -> BoolArray:
    """Return a mask dilated by the disk of scikit-image, with OpenCV's anchor."""
    height, width = mask.shape
    runs = _rows_of_disk(radius)
    far = 1 + max((max(abs(low), abs(high)) for _, low, high in runs), default=0)
    sums = np.zeros((height, width + 2 * far + 1), np.int32)
    np.cumsum(np.pad(mask, ((0, 0), (far, far))), axis=1, out=sums[:, 1:])
    result = np.zeros(mask.shape, bool)
    for row, low, high in runs:
        # A pixel is set if any of the pixels in a run beside it is.
        wide = (
            sums[:, far + high + 1 : far + high + 1 + width]
            > (sums[:, far + low : far + low + width])
        )
        into = slice(max(0, -row), min(height, height - row))
        from_ = slice(max(0, row), min(height, height + row))
        if into.start < into.stop:
            result[into] |= wide[from_]
    return result


@lru_cache(maxsize=64)
def _rows_of_disk(radius: float) -> tuple[tuple[int, int, int], ...]:
    """Return for each row of the disk its offset, and the first and last offset in it.

    ``skimage.morphology.disk`` samples -radius, 1 - radius, and so on up to radius, so that the
    middle lies between two samples if the radius is not whole; OpenCV takes sample
    ``number // 2`` for the middle.
    """
    samples: npt.NDArray[np.float64] = np.arange(-radius, radius + 1)
    inside = samples[:, None] ** 2 + samples[None, :] ** 2 <= radius**2
    anchor = len(samples) // 2
    rows = []
    for row in range(len(samples)):
        columns: IntArray = np.flatnonzero(inside[row])
        if len(columns):
            rows.append((row - anchor, int(columns[0]) - anchor, int(columns[-1]) - anchor))
    # A radius below half a pixel reaches no sample; OpenCV then takes the first one alone.
    return tuple(rows) or ((-anchor, -anchor, -anchor),)
