"""Annotations that overlap: added up in 8 bits, or dropped, as released scripts do."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from videoseg.metrics.statistics import mean
from videoseg.metrics.tally import FrameTally
from videoseg.metrics.task import MaskSequence, ScoringTask
from videoseg.types import Rle

__all__ = ["added_measures", "without"]


def added_measures(
    predicted: MaskSequence, task: ScoringTask, tally: FrameTally
) -> dict[str, float]:
    """Return A and R as the script of ReVOS computes them: with masks added up in 8 bits.

    Truth is the number of annotations that cover a pixel, a prediction 0 or
    what it is in its picture: 1 or 255.
    A is the share of pixels where the two are equal. R takes the sum of ``(1 - truth) *
    prediction`` for the false positives: 2 annotations make 255 of it, as 8 bits wrap. Only
    frames with such overlaps are decoded.

    Args:
        predicted: The union of what is predicted on each frame.
        task: What is scored.
        tally: What was counted for the union of the truth.
    """
    values = np.ones(task.num_frames, np.int64)
    if task.mask_values is not None:
        values[:] = task.mask_values
    wrong = (tally.pred - tally.intersection) * values
    # Of masks that are written as 255, only pixels that are 0 are those of the truth.
    equal = tally.num_pixels - tally.union + np.where(values == 1, tally.intersection, 0)
    for frame in range(task.num_frames):
        truth = [rle for masks in task.truth.values() if (rle := masks[frame]) is not None]
        if len(truth) > 1 and sum(rle.area for rle in truth) > tally.target[frame]:
            total = np.zeros(task.size, np.uint8)
            for rle in truth:
                total += rle.decode()
            mask = _written(predicted[frame], task, values[frame])
            wrong[frame] = ((1 - total) * mask).sum(dtype=np.int64)
            equal[frame] = np.count_nonzero(total == mask)
    robustness = np.maximum(0.0, 1.0 - wrong / (_foreground(task, tally) + 1e-6))
    return {
        "accuracy": mean(equal / max(tally.num_pixels, 1)),
        "robustness": mean(robustness),
    }


def without(rle: Rle | None, dropped: Rle | None) -> Rle | None:
    """Return a mask without the pixels of another one; None for an empty one."""
    if rle is None or dropped is None:
        return rle
    left = rle.decode() & ~dropped.decode()
    return Rle.encode(left) if left.any() else None


def _written(rle: Rle | None, task: ScoringTask, value: int) -> npt.NDArray[np.uint8]:
    if rle is None:
        return np.zeros(task.size, np.uint8)
    return np.asarray(rle.decode() * np.uint8(value))


def _foreground(task: ScoringTask, tally: FrameTally) -> npt.NDArray[np.int64]:
    if task.foreground_pixels is not None:
        return np.asarray(task.foreground_pixels, np.int64)
    if task.foreground is None:
        return tally.target
    areas = [0 if rle is None else rle.area for rle in task.foreground]
    return np.asarray(areas, np.int64)
