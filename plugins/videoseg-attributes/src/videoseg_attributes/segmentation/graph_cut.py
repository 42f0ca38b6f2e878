"""The minimum cut of an image grid for any per-pixel evidence, through OpenCV's solver."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from videoseg.errors import ConfigError, ShapeError
from videoseg.types import BoolArray
from videoseg_attributes.vision.optical_flow import FloatImage

__all__ = ["CERTAIN", "edge_image", "graph_cut"]

CERTAIN = 8.0
"""Log odds at and beyond which a pixel is fixed to its side."""

# Log odds travel as one 8-bit channel of the picture handed to the solver. The span is kept
# small against the color channels so that borders follow colors more than the evidence.
_EVIDENCE_SPAN = 32.0
_SOLVER_SMOOTHNESS = 50.0  # OpenCV's fixed weight of an edge between equal neighbors
_MIDDLE = 128.0  # of an 8-bit channel
_UNUSED_VARIANCE = 1e8  # of the color channels: they must not count in the models


def graph_cut(
    log_odds: FloatImage, edges: npt.NDArray[np.uint8], *, smoothness: float
) -> BoolArray:
    """Label every pixel so that evidence and contrast-sensitive smoothness cost least.

    OpenCV offers a max-flow solver only inside GrabCut. With frozen models GrabCut neither
    learns nor draws random numbers, and two one-component models that differ only along one
    channel turn that channel into log odds; so the result is exact, deterministic and leaves
    no global state behind.

    Args:
        log_odds: Evidence for foreground over background, shape (H, W), in nats; clipped to
            +-``CERTAIN``, where a pixel's side is fixed.
        edges: Two channels whose differences mark borders, shape (H, W, 2), uint8.
        smoothness: Cost in nats of a border between two equal neighbors, at least 1. Where
            the evidence itself changes a border costs less, as it does along color edges.

    Returns:
        Foreground, shape (H, W).

    Raises:
        ShapeError: If the shapes do not fit.
        ConfigError: If smoothness is below 1.
    """
    import cv2

    if log_odds.ndim != 2 or log_odds.size == 0:
        raise ShapeError("log_odds", actual=log_odds.shape, expected="(H, W)")
    if edges.shape != (*log_odds.shape, 2):
        raise ShapeError("edges", actual=edges.shape, expected=f"{(*log_odds.shape, 2)}")
    if not smoothness >= 1:
        # Costs travel as ratios of densities, which floats hold only up to about e^700.
        raise ConfigError(f"smoothness must be at least 1, got {smoothness}")
    odds = np.clip(log_odds, -CERTAIN, CERTAIN)
    labels = np.where(odds > 0, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    labels[odds >= CERTAIN] = cv2.GC_FGD
    labels[odds <= -CERTAIN] = cv2.GC_BGD
    if not np.any(odds > 0) or not np.any(odds < 0):
        all_one_side: BoolArray = odds > 0
        return all_one_side
    evidence = np.round(odds / CERTAIN * _EVIDENCE_SPAN + 128).astype(np.uint8)
    picture = np.ascontiguousarray(np.dstack([edges, evidence]))
    # Equal variances make the log ratio of the two models linear in the evidence channel.
    slope = _SOLVER_SMOOTHNESS / smoothness * CERTAIN / _EVIDENCE_SPAN
    # This variance keeps the smallest density largest.
    variance = 2 * _EVIDENCE_SPAN / slope
    gap = slope * variance
    background, foreground = _model(128 - gap / 2, variance), _model(128 + gap / 2, variance)
    no_rectangle = (0, 0, 0, 0)  # only read in the modes that learn from one
    cv2.grabCut(picture, labels, no_rectangle, background, foreground, 1, cv2.GC_EVAL_FREEZE_MODEL)
    result: BoolArray = (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)
    return result


def edge_image(lab: FloatImage) -> npt.NDArray[np.uint8]:
    """Return the two strongest color axes of a Lab image as uint8, shape (H, W, 2)."""
    height, width = lab.shape[:2]
    colors = lab.reshape(-1, 3).astype(np.float64)
    colors = colors - colors.mean(axis=0)
    _, axes = np.linalg.eigh(colors.T @ colors / len(colors))
    strongest = np.clip(colors @ axes[:, [2, 1]] * 2 + 128, 0, 255)
    edges: npt.NDArray[np.uint8] = strongest.astype(np.uint8).reshape(height, width, 2)
    return edges


def _model(mean: float, variance: float) -> npt.NDArray[np.float64]:
    # Layout of OpenCV's 5-component mixtures: weights, means (x 3), covariances (x 9).
    model = np.zeros(65)
    model[0] = 1.0
    model[5:20] = np.tile([_MIDDLE, _MIDDLE, mean], 5)
    model[20:65] = np.tile(np.diag([_UNUSED_VARIANCE, _UNUSED_VARIANCE, variance]).ravel(), 5)
    return model.reshape(1, 65)
