"""The shape every mask operation expects."""

from __future__ import annotations

import numpy as np

from videoseg.errors import ShapeError
from videoseg.types.arrays import BoolArray


def as_mask(mask: BoolArray, name: str = "a mask") -> BoolArray:
    """Return the mask as bool, shape (H, W).

    Raises:
        ShapeError: If it is not two-dimensional or has no pixel.
    """
    mask = np.asarray(mask)
    if mask.ndim != 2 or mask.size == 0:
        raise ShapeError(name, actual=mask.shape, expected="(H, W) with H, W >= 1")
    return mask if mask.dtype == np.bool_ else mask != 0
