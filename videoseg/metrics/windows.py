"""Grounding in time: windows of frames instead of masks."""

from __future__ import annotations

from videoseg.metrics.protocol import Measure
from videoseg.types import Window

__all__ = ["window_iou", "window_measures"]


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
    """Return the measures asked for that speak of windows; none where there is no true window."""
    if target is None:
        return {}
    iou = window_iou(pred, target)
    values = {"window_iou": iou}
    for percent in (30, 50, 70):
        values[f"window_recall_at_{percent}"] = float(iou >= percent / 100)
    return {name: values[name] for name in measures if name in values}
