"""Bringing a mask to another size."""

from __future__ import annotations

import numpy as np

from videoseg.types import BoolArray, IntArray, Size

__all__ = ["resized_nearest"]


def resized_nearest(mask: BoolArray, size: Size) -> BoolArray:
    """Return a mask at another size by nearest neighbour, sampled at the centres of pixels.

    These are the pixels that Pillow picks, with which benchmarks resize masks; OpenCV's
    nearest neighbour picks others.

    Args:
        mask: Shape (H, W).
        size: (height, width) of the result.
    """
    rows, columns = (_picked(old, new) for old, new in zip(mask.shape, size, strict=True))
    resized: BoolArray = mask[rows[:, None], columns[None, :]]
    return resized


def _picked(old: int, new: int) -> IntArray:
    steps = np.full(new, old / new)
    steps[:1] /= 2
    # Pillow adds step to step, and so do we: multiplying would round some centres otherwise.
    picked: IntArray = np.cumsum(steps).astype(np.intp).clip(0, old - 1)
    return picked
