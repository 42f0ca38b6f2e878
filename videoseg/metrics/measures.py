"""Measures of one sample, from the counts of its frames or from windows."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from videoseg.errors import ShapeError
from videoseg.metrics.overlap import Counts, FrameTally
from videoseg.metrics.protocol import Measure
from videoseg.types import FloatArray, Window

__all__ = [
    "BOUNDARY_MEASURES",
    "GAP_MEASURES",
    "OBJECT_BOUNDARY_MEASURES",
    "WINDOW_MEASURES",
    "average_rows",
    "decay",
    "mask_measures",
    "mean",
    "pixel_accuracy_of",
    "recall",
    "robustness_of",
    "sample_iou",
    "spatiotemporal_iou_of",
    "temporal_iou_of",
    "window_iou",
    "window_measures",
]


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
    """Return the mean of the first quarter of the frames minus that of the last.

    The quarters are those of Perazzi et al. (CVPR 2016): neighboring quarters share a frame.
    The davis2017-evaluation package stores their edges in one byte, so that its quarters are
    wrong or empty for more than 256 frames; up to there the values are the same.

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


def average_rows(rows: Sequence[Mapping[str, float]], measures: Sequence[str]) -> dict[str, float]:
    """Return the mean of each measure over the rows that have it; without those no row has.

    Sums are exact before they are rounded, so the order of the rows does not matter.
    """
    found = {name: [row[name] for row in rows if name in row] for name in measures}
    return {name: math.fsum(values) / len(values) for name, values in found.items() if values}


def _checked(scores: FloatArray) -> FloatArray:
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 1 or len(values) == 0:
        raise ShapeError("scores", actual=values.shape, expected="(T,) with at least one frame")
    return values


BOUNDARY_MEASURES: frozenset[Measure] = frozenset(
    {"f", "j_and_f", "f_recall", "f_decay", "jf_deviation"}
)
"""Measures that need the boundaries, which are the most expensive part."""

OBJECT_BOUNDARY_MEASURES: frozenset[Measure] = frozenset(
    {"f_dot", "j_and_f_dot", "disappear", "reappear"}
)
"""Measures that need F with a tolerance that depends on the object."""

GAP_MEASURES: frozenset[Measure] = frozenset({"disappear", "reappear"})
"""Measures of objects that are out of sight for some frames; other objects do not have them."""

WINDOW_MEASURES: frozenset[Measure] = frozenset(
    {"window_iou", "window_recall_at_30", "window_recall_at_50", "window_recall_at_70"}
)
"""Measures of windows, which need no masks."""


def mask_measures(
    tally: FrameTally, measures: tuple[Measure, ...], *, foreground: Counts | None = None
) -> dict[str, float]:
    """Return those of the measures that are about masks and apply to this sample.

    Args:
        tally: The counts.
        measures: The measures; those of windows are ignored.
        foreground: Pixels of all annotated foreground on each frame, for ``robustness``; the
            target's own pixels if None.
    """
    values = {name: _MASK_MEASURES[name](tally) for name in measures if name in _MASK_MEASURES}
    if "robustness" in measures:
        values["robustness"] = mean(robustness_of(tally, foreground))
    predicted_none, target_none = not tally.pred.any(), not tally.target.any()
    if not GAP_MEASURES.isdisjoint(measures):
        values |= gap_measures(tally)
    if "no_target_accuracy" in measures and target_none:
        values["no_target_accuracy"] = float(predicted_none)
    if "target_accuracy" in measures and not target_none:
        values["target_accuracy"] = float(not predicted_none)
    return {name: values[name] for name in measures if name in values}


def robustness_of(tally: FrameTally, foreground: Counts | None = None) -> FloatArray:
    """Return R of each frame, shape (T,): 1 minus false positives per annotated foreground."""
    false_positives = tally.pred - tally.intersection
    # The official code adds a millionth of a pixel, which decides frames without foreground.
    around = (tally.target if foreground is None else foreground) + 1e-6
    return np.maximum(0.0, 1.0 - false_positives / around)


def pixel_accuracy_of(tally: FrameTally) -> FloatArray:
    """Return A of each frame, shape (T,): the share of correctly labeled pixels."""
    return 1.0 - (tally.union - tally.intersection) / max(tally.num_pixels, 1)


def temporal_iou_of(tally: FrameTally) -> float:
    """Return tIoU: frames where both show something by frames where either does."""
    both = np.count_nonzero((tally.pred > 0) & (tally.target > 0))
    either = np.count_nonzero(tally.union)
    return int(both) / int(either) if either else 1.0


def spatiotemporal_iou_of(tally: FrameTally) -> float:
    """Return vIoU: J summed over frames where both show something, by frames where either does."""
    both = (tally.pred > 0) & (tally.target > 0)
    either = np.count_nonzero(tally.union)
    return float(tally.region[both].sum()) / int(either) if either else 1.0


def sample_iou(tally: FrameTally) -> float:
    """Return the IoU of all frames taken together; 1 if both are empty."""
    union = int(tally.union.sum())
    return int(tally.intersection.sum()) / union if union else 1.0


def last_quarter(scores: FloatArray) -> FloatArray:
    """Return the scores from frame ``floor(0.75 T)`` on, as in the evaluation of VOST."""
    return scores[math.floor(len(scores) * 0.75) :]


def deviation(scores: FloatArray) -> float:
    """Return the standard deviation over the frames, from a variance of four digits.

    The variance is rounded before the root is taken, as in the evaluation of LVOS.
    """
    values = _checked(scores)
    return math.sqrt(round(float(np.sum((np.mean(values) - values) ** 2)) / len(values), 4))


def gap_measures(tally: FrameTally) -> dict[Measure, float]:
    """Return J&F-dot while an object is out of sight, and after it has come back.

    The measures are means over stretches of frames without the object, or with it after such
    a stretch, of the mean J and F-dot of the stretch. A stretch without the object that begins
    on the first frame does not count, but the one after it does (``merge_chunk_results`` of
    MOSE-api, MOSEv2). A measure without a stretch is left out.
    """
    empty = tally.target == 0
    starts = [0, *(np.flatnonzero(empty[1:] != empty[:-1]) + 1).tolist()]
    scores = (tally.region + tally.object_boundary_scores) / 2
    means: dict[Measure, list[float]] = {"disappear": [], "reappear": []}
    for start, stop in zip(starts, [*starts[1:], len(tally)], strict=True):
        if start:
            means["disappear" if empty[start] else "reappear"].append(mean(scores[start:stop]))
    return {name: mean(np.array(values)) for name, values in means.items() if values}


_MASK_MEASURES: Mapping[str, Callable[[FrameTally], float]] = {
    "j": lambda tally: mean(tally.region),
    "f": lambda tally: mean(tally.boundary_scores),
    "j_and_f": lambda tally: (mean(tally.region) + mean(tally.boundary_scores)) / 2,
    "j_recall": lambda tally: recall(tally.region),
    "f_recall": lambda tally: recall(tally.boundary_scores),
    "j_decay": lambda tally: decay(tally.region),
    "f_decay": lambda tally: decay(tally.boundary_scores),
    "j_last_quarter": lambda tally: mean(last_quarter(tally.region)),
    "jf_deviation": lambda tally: deviation((tally.region + tally.boundary_scores) / 2),
    "f_dot": lambda tally: mean(tally.object_boundary_scores),
    "j_and_f_dot": lambda tally: (mean(tally.region) + mean(tally.object_boundary_scores)) / 2,
    "accuracy": lambda tally: mean(pixel_accuracy_of(tally)),
    "tiou": temporal_iou_of,
    "viou": spatiotemporal_iou_of,
    "giou": sample_iou,
    "ciou": sample_iou,
    "precision_at_50": lambda tally: float(sample_iou(tally) >= 0.5),
}


def window_iou(pred: Window | None, target: Window) -> float:
    """Return the IoU of two windows, in [0, 1]; 0 without a prediction.

    Example:
        >>> window_iou(Window(0, 4), Window(2, 6))
        0.3333333333333333
    """
    if pred is None:
        return 0.0
    overlap = max(0, min(pred.stop, target.stop) - max(pred.start, target.start))
    return overlap / (len(pred) + len(target) - overlap)


def window_measures(
    pred: Window | None, target: Window | None, measures: tuple[Measure, ...]
) -> dict[str, float]:
    """Return those of the measures that are about windows; empty without a true window."""
    if target is None:
        return {}
    iou = window_iou(pred, target)
    values = {"window_iou": iou}
    for percent in (30, 50, 70):
        values[f"window_recall_at_{percent}"] = float(iou >= percent / 100)
    return {name: values[name] for name in measures if name in values}
