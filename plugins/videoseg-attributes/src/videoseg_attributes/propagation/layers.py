"""Which of several objects a pixel moves with."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from videoseg_attributes.vision.optical_flow import FloatImage

__all__ = ["motion_layers"]

_LIMIT = 3.0
_MAX_SAMPLES = 1500


def motion_layers(residual: FloatImage, confidence: FloatImage, carried: FloatImage) -> FloatImage:
    """Score each pixel for each object by how well it fits the object's own affine motion.

    Only objects are compared with one another. Object against background is left to the
    learnt motion cue, since an affine motion fits a rigid camera much better than a body.

    Args:
        residual: Camera-free motion of each pixel, (h, w, 2).
        confidence: How far to trust it, in [0, 1], (h, w).
        carried: Each object's share carried from the frame before, (h, w, N).

    Returns:
        Scores in [-3, 0], (h, w, N); 0 for the object that fits best.
    """
    height, width, num_objects = carried.shape
    scores = np.zeros(carried.shape, dtype=np.float32)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) / np.float32(max(height, width))
    for number in range(num_objects):
        rows, columns = np.nonzero(carried[..., number] > 0.6)
        if len(rows) < 20:
            continue
        step = max(1, len(rows) // _MAX_SAMPLES)
        rows, columns = rows[::step], columns[::step]
        centre = (float(x[rows, columns].mean()), float(y[rows, columns].mean()))
        basis = np.stack(
            [np.ones(len(rows)), x[rows, columns] - centre[0], y[rows, columns] - centre[1]],
            axis=1,
        )
        affine, spread = _fit(basis, residual[rows, columns], confidence[rows, columns])
        fitted = [
            affine[0, axis] + affine[1, axis] * (x - centre[0]) + affine[2, axis] * (y - centre[1])
            for axis in (0, 1)
        ]
        miss = np.hypot(residual[..., 0] - fitted[0], residual[..., 1] - fitted[1])
        scale = 1.5 * max(0.5, spread)
        scores[..., number] = -np.log1p(np.square(miss / scale)) - np.log(scale)
    scores -= scores.max(axis=2, keepdims=True)
    limited: FloatImage = np.maximum(scores, -_LIMIT) * confidence[..., None]
    return limited


def _fit(
    basis: npt.NDArray[np.float64], moved: FloatImage, confidence: FloatImage
) -> tuple[npt.NDArray[np.float64], float]:
    """Return a robust affine motion, (3, 2), and the median miss."""
    trust = confidence.astype(np.float64) + 0.05
    ridge = np.diag([1e-4, 2e-3, 2e-3]) * len(basis)
    weights = trust
    affine = np.zeros((3, 2))
    spread = 0.0
    for _ in range(4):
        weighted = basis * weights[:, None]
        affine = np.linalg.solve(weighted.T @ basis + ridge, weighted.T @ moved)
        miss = np.hypot(*(moved - basis @ affine).T)
        spread = float(np.median(miss))
        weights = trust / (1.0 + np.square(miss / (spread + 0.1)))
    return affine, spread
