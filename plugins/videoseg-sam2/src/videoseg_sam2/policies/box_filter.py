"""A Kalman filter over a box: where it will be on the next frame if it moves steadily."""

from __future__ import annotations

import numpy as np

from videoseg.types import FloatArray
from videoseg_sam2.policy import Extent

__all__ = ["BoxFilter", "box_iou"]

# The spreads of the tracker DeepSORT ("Simple Online and Realtime Tracking with a Deep Association
# Metric", section 2.1, and its released settings): of positions and of velocities in heights of
# the box; of the aspect ratio, its velocity and its measurement.
_POSITION, _VELOCITY = 1 / 20, 1 / 160
_ASPECT, _ASPECT_VELOCITY, _ASPECT_MEASURED = 1e-2, 1e-5, 1e-1


class BoxFilter:
    """Follows center, aspect ratio and height of a box, and their velocities.

    Args:
        extent: The box on the first frame; None for an empty one.
    """

    def __init__(self, extent: Extent | None) -> None:
        measured = _measure(extent)
        self._mean = np.concatenate([measured, np.zeros(4)])
        height = measured[3]
        self._covariance = np.diag(_spreads(height, position=2, velocity=10) ** 2)

    def predict(self) -> None:
        """Move on to the next frame."""
        noise = _spreads(self._mean[3])
        self._mean = _STEP @ self._mean
        self._covariance = _STEP @ self._covariance @ _STEP.T + np.diag(noise**2)

    def correct(self, extent: Extent | None) -> None:
        """Take in where the box was found on the frame that was predicted."""
        height = self._mean[3]
        position = _POSITION * height
        noise = np.array([position, position, _ASPECT_MEASURED, position])
        # The first four values are what is measured.
        measured_spread = self._covariance[:4, :4] + np.diag(noise**2)
        gain = np.linalg.solve(measured_spread, self._covariance[:4]).T
        self._mean = self._mean + gain @ (_measure(extent) - self._mean[:4])
        self._covariance = self._covariance - gain @ measured_spread @ gain.T

    @property
    def box(self) -> tuple[float, float, float, float]:
        """The box as (left, top, right, bottom)."""
        x, y, aspect, height = self._mean[:4]
        width = aspect * height
        return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def box_iou(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """Return the IoU of two boxes (left, top, right, bottom); 0 if their union has no area."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    shared = max(width, 0.0) * max(height, 0.0)
    union = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)) - shared
    return shared / union if union > 0 else 0.0


def _steps() -> FloatArray:
    matrix = np.eye(8)
    matrix[:4, 4:] = np.eye(4)
    return matrix


_STEP = _steps()


def _spreads(height: float, *, position: float = 1, velocity: float = 1) -> FloatArray:
    place, speed = position * _POSITION * height, velocity * _VELOCITY * height
    return np.array([place, place, _ASPECT, place, speed, speed, _ASPECT_VELOCITY, speed])


def _measure(extent: Extent | None) -> FloatArray:
    left, top, right, bottom = extent or (0, 0, 0, 0)
    # A box without height would have no aspect ratio.
    width, height = right - left, max(bottom - top, 1)
    return np.array([left + width / 2, top + height / 2, width / height, height], dtype=float)
