"""F: boundary accuracy, as the official DAVIS evaluation defines it."""

from __future__ import annotations

from videoseg.metrics.overlap import tally_arrays
from videoseg.types import BoolArray, FloatArray

__all__ = ["boundary_f"]


def boundary_f(pred: BoolArray, target: BoolArray, *, tolerance: float = 0.008) -> FloatArray:
    """Return the boundary F-measure of each frame.

    Args:
        pred: Predicted masks, shape (T, H, W).
        target: Ground-truth masks, shape (T, H, W).
        tolerance: How far apart two boundary pixels may be and still match: a fraction of
            the image diagonal (rounded up to whole pixels) if below 1, else pixels.

    Returns:
        Scores in [0, 1], shape (T,). Two frames without a boundary score 1, one with and one
        without score 0 (Perazzi et al., CVPR 2016, and the davis2017-evaluation package). An
        empty mask has no boundary, and neither has one that fills the frame.

    Raises:
        ShapeError: If the shapes differ or are not (T, H, W).
    """
    scores = tally_arrays(pred, target, tolerance=tolerance).boundary
    assert scores is not None  # a tolerance was given
    return scores
