"""Measures of one video from dense or encoded masks.

All take predicted and true masks in one form, see ``Masks``, and raise ``ShapeError`` if they
differ in shape or in form.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from videoseg.errors import ShapeError
from videoseg.metrics.measures import (
    pixel_accuracy_of,
    robustness_of,
    spatiotemporal_iou_of,
    temporal_iou_of,
)
from videoseg.metrics.overlap import FrameTally, tally_arrays, tally_rles
from videoseg.types import BoolArray, FloatArray, Rle

__all__ = [
    "Masks",
    "boundary_f",
    "pixel_accuracy",
    "region_j",
    "robustness",
    "spatiotemporal_iou",
    "tally",
    "temporal_iou",
]

Masks: TypeAlias = BoolArray | Sequence[Rle | None]
"""The masks of one video: dense, shape (T, H, W), or encoded, one for each frame, where None
stands for an empty one."""


def tally(pred: Masks, target: Masks, *, tolerance: float | None = None) -> FrameTally:
    """Count the overlap of predicted and true masks, from which all measures are computed.

    Args:
        pred: Predicted masks, shape (T, H, W), or T encoded ones.
        target: True masks, in the same form.
        tolerance: Boundary tolerance, as in ``boundary_f``; None to skip boundaries.

    Raises:
        ShapeError: If the two differ in shape, or in form.
        EvaluationError: If the runs of an encoded mask do not add up to its size.
    """
    if isinstance(pred, np.ndarray) and isinstance(target, np.ndarray):
        return tally_arrays(pred, target, tolerance=tolerance)
    if isinstance(pred, np.ndarray) or isinstance(target, np.ndarray):
        raise ShapeError("pred", actual=_shape(pred), expected=f"{_shape(target)}, in one form")
    if len(pred) != len(target):
        raise ShapeError("pred", actual=(len(pred),), expected=f"({len(target)},)")
    size = next((rle.size for rle in (*target, *pred) if rle is not None), (1, 1))
    return tally_rles(pred, target, size=size, tolerance=tolerance)


def _shape(masks: Masks) -> tuple[int, ...]:
    return masks.shape if isinstance(masks, np.ndarray) else (len(masks),)


def region_j(pred: Masks, target: Masks) -> FloatArray:
    """Return the Jaccard index J of each frame.

    Args:
        pred: Predicted masks, shape (T, H, W), or T encoded ones.
        target: True masks, in the same form.

    Returns:
        Scores in [0, 1], shape (T,). A frame where both are empty scores 1, as in the
        official DAVIS evaluation.

    Raises:
        ShapeError: If the two differ in shape, or in form.

    Example:
        >>> import numpy as np
        >>> region_j(np.ones((1, 2, 2), bool), np.ones((1, 2, 2), bool))
        array([1.])
    """
    return tally(pred, target).region


def boundary_f(pred: Masks, target: Masks, *, tolerance: float = 0.008) -> FloatArray:
    """Return the boundary F-measure of each frame.

    Args:
        pred: Predicted masks, shape (T, H, W), or T encoded ones.
        target: True masks, in the same form.
        tolerance: How far apart two boundary pixels may be and still match: a fraction of
            the image diagonal (rounded up to whole pixels) if below 1, else pixels.

    Returns:
        Scores in [0, 1], shape (T,). Two frames without a boundary score 1, one with and one
        without score 0 (Perazzi et al., CVPR 2016, and the davis2017-evaluation package). An
        empty mask has no boundary, and neither has one that fills the frame.

    Raises:
        ShapeError: If the two differ in shape, or in form.
    """
    return tally(pred, target, tolerance=tolerance).boundary_scores


def robustness(pred: Masks, target: Masks, foreground: Masks) -> FloatArray:
    """Return the robustness R of each frame.

    One minus the false positives divided by all annotated foreground of the frame, at least 0
    (ReVOS: Yan et al., ECCV 2024). Take the union of overlapping masks first; the official code
    adds them in one byte, which makes an overlap background.

    Args:
        pred: Predicted masks, shape (T, H, W), or T encoded ones.
        target: True masks, in the same form.
        foreground: All annotated objects of the video, in the same form.

    Returns:
        Scores in [0, 1], shape (T,). Without foreground, 1 if nothing is predicted, else 0.

    Raises:
        ShapeError: If the three differ in shape, or in form.
    """
    return robustness_of(tally(pred, target), tally(foreground, target).pred)


def pixel_accuracy(pred: Masks, target: Masks) -> FloatArray:
    """Return A of each frame, shape (T,): the share of correctly labeled pixels, in [0, 1]."""
    return pixel_accuracy_of(tally(pred, target))


def temporal_iou(pred: Masks, target: Masks) -> float:
    """Return tIoU: frames on which both masks are not empty, by frames on which either is not.

    If both are always empty it is 1 (the code of Long-RVOS).
    """
    return temporal_iou_of(tally(pred, target))


def spatiotemporal_iou(pred: Masks, target: Masks) -> float:
    """Return vIoU: J summed over frames with both masks, by frames with either.

    If both are always empty it is 1 (the code of Long-RVOS).
    """
    return spatiotemporal_iou_of(tally(pred, target))
