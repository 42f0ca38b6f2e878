"""Counting the overlap of two sequences of masks, frame by frame."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from videoseg.metrics.boundary import boundary_f
from videoseg.metrics.tally import FrameTally
from videoseg.types import BoolArray, Rle, Size

__all__ = ["tally_rles"]


def tally_rles(
    pred: Sequence[Rle | None],
    target: Sequence[Rle | None],
    *,
    size: Size,
    tolerance: float | None = 0.008,
    ignored: Sequence[Rle | None] | None = None,
) -> FrameTally:
    """Count frame by frame; never more than a few frames are dense at a time."""
    rows = []
    for index, (p, t) in enumerate(zip(pred, target, strict=True)):
        dense_p, dense_t = _dense(p, size), _dense(t, size)
        skip = None if ignored is None else ignored[index]
        if skip is not None:
            keep = ~skip.decode()
            dense_p, dense_t = dense_p & keep, dense_t & keep
        f = 1.0
        if tolerance is not None:
            f = float(boundary_f(dense_p[None], dense_t[None], tolerance=tolerance)[0])
        rows.append((dense_p.sum(), dense_t.sum(), (dense_p & dense_t).sum(), f))
    pred_area, target_area, both, f_values = zip(*rows, strict=True) if rows else ((),) * 4
    return FrameTally(
        np.array(pred_area, np.int64),
        np.array(target_area, np.int64),
        np.array(both, np.int64),
        size[0] * size[1],
        np.array(f_values, np.float64) if tolerance is not None else None,
    )


def _dense(rle: Rle | None, size: Size) -> BoolArray:
    return np.zeros(size, bool) if rle is None else rle.decode()
