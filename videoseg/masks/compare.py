"""How much two masks overlap."""

from __future__ import annotations

import numpy as np

from videoseg.errors import ShapeError
from videoseg.types.arrays import BoolArray, as_mask
from videoseg.types.rle import Rle

__all__ = ["iou", "rle_iou"]


def iou(first: BoolArray, second: BoolArray) -> float:
    """Return intersection over union of two masks, in [0, 1]; 1 if both are empty.

    Args:
        first: Shape (H, W).
        second: Shape (H, W).

    Raises:
        ShapeError: If a mask is not two-dimensional or the shapes differ.

    Example:
        >>> iou(np.array([[1, 1, 0]], bool), np.array([[0, 1, 1]], bool))
        0.3333333333333333
    """
    first, second = as_mask(first, "the first mask"), as_mask(second, "the second mask")
    if first.shape != second.shape:
        raise ShapeError("the second mask", actual=second.shape, expected=str(first.shape))
    union = int(np.count_nonzero(first | second))
    return int(np.count_nonzero(first & second)) / union if union else 1.0


def rle_iou(first: Rle, second: Rle) -> float:
    """Return intersection over union of two encoded masks without decoding them.

    In [0, 1]; 1 if both are empty.

    Raises:
        ShapeError: If the sizes differ.
    """
    from pycocotools import mask as coco

    if first.size != second.size:
        raise ShapeError("the second mask", actual=second.size, expected=str(first.size))
    pair = [first.to_coco(), second.to_coco()]
    union = int(coco.area(coco.merge(pair)))
    return int(coco.area(coco.merge(pair, intersect=True))) / union if union else 1.0
