"""What is said about a sequence of per-frame scores: mean, recall, decay."""

from __future__ import annotations

import math

import numpy as np

from videoseg.errors import ShapeError
from videoseg.types import FloatArray

__all__ = ["decay", "mean", "recall"]


def mean(scores: FloatArray) -> float:
    """Return the mean over the frames, with an exactly rounded sum.

    Args:
        scores: One score for each frame, shape (T,).

    Raises:
        ShapeError: If there is no frame.
    """
    values = _checked(scores)
    return math.fsum(values.tolist()) / len(values)


def recall(scores: FloatArray, *, threshold: float = 0.5) -> float:
    """Return the share of frames that score above the threshold.

    Args:
        scores: One score for each frame, shape (T,).
        threshold: A frame counts if its score is larger than this.

    Raises:
        ShapeError: If there is no frame.
    """
    values = _checked(scores)
    return int(np.count_nonzero(values > threshold)) / len(values)


def decay(scores: FloatArray) -> float:
    """Return how much is lost: mean of the first quarter of the frames minus that of the last.

    The quarters are those of Perazzi et al. (CVPR 2016): neighbouring quarters share a frame.
    The davis2017-evaluation package keeps their edges in one byte, so that for more than 256
    frames its quarters are wrong or empty; up to there the values are the same.

    Args:
        scores: One score for each frame, shape (T,).

    Raises:
        ShapeError: If there is no frame.

    Example:
        >>> import numpy as np
        >>> decay(np.linspace(1, 0, 1000)) > 0.7
        True
    """
    values = _checked(scores)
    edges = (np.round(np.linspace(1, len(values), 5) + 1e-10) - 1).astype(np.int64)
    return mean(values[edges[0] : edges[1] + 1]) - mean(values[edges[3] : edges[4] + 1])


def _checked(scores: FloatArray) -> FloatArray:
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 1 or len(values) == 0:
        raise ShapeError("scores", actual=values.shape, expected="(T,) with at least one frame")
    return values
