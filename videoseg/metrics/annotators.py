"""The official protocol of Ref-DAVIS17: masks of several expressions become one picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from videoseg.errors import ShapeError
from videoseg.metrics.task import MaskSequence
from videoseg.types import FloatArray, IntArray, Rle

__all__ = ["merge_objects", "merge_scores"]


def merge_scores(
    scores: FloatArray, *, threshold: float = 0.5, background: float = 0.1
) -> IntArray:
    """Return which of N objects each pixel belongs to, as Ref-DAVIS17 merges expressions.

    Scores below the threshold count as 0; the highest score wins if it is above that of the
    background, and of equal ones that of the first object.

    Args:
        scores: How sure a model is of each object, in [0, 1], shape (N, H, W); binary masks
            will do.
        threshold: Lower scores are no object.
        background: The score of the background.

    Returns:
        Shape (H, W): 1 for the first object, 0 for the background.

    Raises:
        ShapeError: If the scores are not (N, H, W).

    Example:
        >>> import numpy as np
        >>> merge_scores(np.array([[[0.6, 0.4, 1.0]], [[0.7, 0.0, 1.0]]])).tolist()
        [[2, 0, 1]]
    """
    scores = np.asarray(scores, dtype=np.float64)
    if scores.ndim != 3:
        raise ShapeError("scores", actual=scores.shape, expected="(N, H, W)")
    sure = np.where(scores < threshold, 0.0, scores)
    rest = np.full((1, *scores.shape[1:]), background)
    winner: IntArray = np.concatenate([rest, sure]).argmax(axis=0)
    return winner


def merge_objects(masks: Mapping[int, MaskSequence]) -> dict[int, list[Rle | None]]:
    """Merge the masks that one annotator's expressions got, one for each object.

    This is ``merge_scores`` for binary masks: where objects overlap, the first one keeps the
    pixel. The result is scored with the protocol ``ref-davis17-official``, once
    for each of the four annotators, and the four results are averaged.

    Args:
        masks: For each object, in the order of the benchmark, the masks that its expression
            got, one for each frame. An expression without an answer has None on each frame.

    Returns:
        For each object its masks without the pixels of objects before it; None for empty.

    Raises:
        ShapeError: If the objects have different numbers of frames, or sizes of masks.
    """
    lengths = {len(sequence) for sequence in masks.values()}
    if len(lengths) > 1:
        raise ShapeError("the masks of objects", actual=tuple(sorted(lengths)), expected="(T,)")
    merged: dict[int, list[Rle | None]] = {key: [] for key in masks}
    for index in range(next(iter(lengths), 0)):
        frame = _without_overlap([masks[key][index] for key in merged])
        for sequence, rle in zip(merged.values(), frame, strict=True):
            sequence.append(rle)
    return merged


def _without_overlap(rles: Sequence[Rle | None]) -> list[Rle | None]:
    present = [rle for rle in rles if rle is not None]
    if len(present) < 2:
        return list(rles)
    taken = np.zeros(present[0].size, dtype=bool)
    free: list[Rle | None] = []
    for rle in rles:
        mask = np.zeros_like(taken) if rle is None else rle.decode()
        if mask.shape != taken.shape:
            raise ShapeError("a mask", actual=mask.shape, expected=str(taken.shape))
        mask &= ~taken
        taken |= mask
        free.append(Rle.encode(mask) if mask.any() else None)
    return free
