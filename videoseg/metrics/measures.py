"""Each measure of one sample, from what was counted on its frames."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from videoseg.metrics.protocol import Measure
from videoseg.metrics.statistics import decay, mean, recall
from videoseg.metrics.tally import Counts, FrameTally
from videoseg.types import FloatArray

__all__ = [
    "BOUNDARY_MEASURES",
    "WINDOW_MEASURES",
    "mask_measures",
    "pixel_accuracy_of",
    "robustness_of",
    "sample_iou",
    "spatiotemporal_iou_of",
    "temporal_iou_of",
]

BOUNDARY_MEASURES: frozenset[Measure] = frozenset({"f", "j_and_f", "f_recall", "f_decay"})
"""The measures that need the boundaries, which cost the most."""

WINDOW_MEASURES: frozenset[Measure] = frozenset(
    {"window_iou", "window_recall_at_30", "window_recall_at_50", "window_recall_at_70"}
)
"""The measures that need windows, and no masks."""


def mask_measures(
    tally: FrameTally, measures: tuple[Measure, ...], *, foreground: Counts | None = None
) -> dict[str, float]:
    """Return the measures asked for that speak of masks and apply here.

    Args:
        tally: What was counted.
        measures: What is wanted; measures of windows are left out.
        foreground: Pixels of all annotated foreground on each frame, for ``robustness``; the
            target's own pixels if None.
    """
    values = {name: _MASK_MEASURES[name](tally) for name in measures if name in _MASK_MEASURES}
    if "robustness" in measures:
        values["robustness"] = mean(robustness_of(tally, foreground))
    says_none, is_none = not tally.pred.any(), not tally.target.any()
    if "no_target_accuracy" in measures and is_none:
        values["no_target_accuracy"] = float(says_none)
    if "target_accuracy" in measures and not is_none:
        values["target_accuracy"] = float(not says_none)
    return {name: values[name] for name in measures if name in values}


def robustness_of(tally: FrameTally, foreground: Counts | None = None) -> FloatArray:
    """Return R of each frame, shape (T,): 1 minus false positives per annotated foreground."""
    false_positives = tally.pred - tally.intersection
    # The official code adds a millionth of a pixel, which decides frames without foreground.
    around = (tally.target if foreground is None else foreground) + 1e-6
    return np.maximum(0.0, 1.0 - false_positives / around)


def pixel_accuracy_of(tally: FrameTally) -> FloatArray:
    """Return A of each frame, shape (T,): the share of its pixels that are labelled right."""
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
    """Return the IoU of all frames taken together; 1 if nothing is there and nothing is found."""
    union = int(tally.union.sum())
    return int(tally.intersection.sum()) / union if union else 1.0


_MASK_MEASURES: Mapping[str, Callable[[FrameTally], float]] = {
    "j": lambda tally: mean(tally.region),
    "f": lambda tally: mean(tally.boundary_scores),
    "j_and_f": lambda tally: (mean(tally.region) + mean(tally.boundary_scores)) / 2,
    "j_recall": lambda tally: recall(tally.region),
    "f_recall": lambda tally: recall(tally.boundary_scores),
    "j_decay": lambda tally: decay(tally.region),
    "f_decay": lambda tally: decay(tally.boundary_scores),
    "accuracy": lambda tally: mean(pixel_accuracy_of(tally)),
    "tiou": temporal_iou_of,
    "viou": spatiotemporal_iou_of,
    "giou": sample_iou,
    "ciou": sample_iou,
    "precision_at_50": lambda tally: float(sample_iou(tally) >= 0.5),
}
