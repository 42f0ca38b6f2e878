"""Bringing a mask to another size."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from videoseg.types import BoolArray, IntArray, Rle, Size

__all__ = ["fitted_masks", "resized_nearest"]


def fitted_masks(masks: Sequence[Rle | None], size: Size) -> tuple[Rle | None, ...]:
    """Return masks with those of another size resized; see ``resized_nearest``."""
    return tuple(
        rle
        if rle is None or tuple(rle.size) == tuple(size)
        else Rle.encode(resized_nearest(np.asarray(rle.decode()), size))
        for rle in masks
    )


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
