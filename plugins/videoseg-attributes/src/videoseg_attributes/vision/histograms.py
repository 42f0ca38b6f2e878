"""Histograms of color and motion, and the log ratios that separate an object from the rest."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from videoseg.types import Frame
from videoseg_attributes.vision.optical_flow import FloatImage

__all__ = ["Histogram", "HistogramCue", "color_cue", "motion_cue", "to_lab"]

Histogram = npt.NDArray[np.float64]

# Set by hand; not measured separately.
_LIGHTNESS_BINS, _COLOR_BINS, _COLOR_RANGE = 12, 24, 60.0  # the last in Lab units
_MOTION_BINS = 17  # along each axis
_MOTION_RANGE = math.log1p(30.0)  # motion up to 30 times the noise
_FEWEST_SAMPLES = 50.0  # fewer are treated as that many, so that log ratios stay small
_NEIGHBOR = 0.25  # weight of each neighboring bin in smoothing


@dataclass(frozen=True, eq=False, slots=True)
class HistogramCue:
    """A quantized feature image from which log ratios are learned.

    Args:
        bins: Bin of each pixel, shape (H, W).
        shape: Number of bins along each axis of the feature.
        limit: Largest log ratio in either direction.
    """

    bins: npt.NDArray[np.intp]
    shape: tuple[int, ...]
    limit: float

    def log_ratio(self, foreground: FloatImage, background: FloatImage) -> FloatImage:
        """Learn both sides from soft samples of this image and return the ratio at each pixel.

        Args:
            foreground: How far each pixel is a sample of the object, shape (H, W), >= 0.
            background: The same for the surroundings.

        Returns:
            Log ratios in nats, shape (H, W); near 0 where neither side was seen.
        """
        return self.look_up(self.sample(foreground), self.sample(background))

    def sample(self, weights: FloatImage) -> Histogram:
        """Return the weighted counts of the bins, of this cue's shape."""
        num_bins = int(np.prod(self.shape))
        counts = np.bincount(self.bins.ravel(), weights.ravel().astype(np.float64), num_bins)
        return counts.reshape(self.shape).astype(np.float64)

    def look_up(self, foreground: Histogram, background: Histogram) -> FloatImage:
        """Return the log ratio at each pixel, from counts that may come from other images.

        Returns:
            Log ratios in nats, shape (H, W); all 0 if a side has no samples.
        """
        return np.asarray(self.log_ratios(foreground, background)[self.bins], dtype=np.float32)

    def log_ratios(self, foreground: Histogram, background: Histogram) -> FloatImage:
        """Return the log ratio of each bin, in nats, shape (number of bins,)."""
        num_first, num_second = float(foreground.sum()), float(background.sum())
        if num_first <= 0 or num_second <= 0:
            return np.zeros(int(np.prod(self.shape)), dtype=np.float32)
        floor = 0.5 / max(num_first, _FEWEST_SAMPLES)
        first, second = (
            _smooth(counts) / total
            for counts, total in ((foreground, num_first), (background, num_second))
        )
        ratio = np.log((first + floor) / (second + floor)).ravel()
        return np.clip(ratio, -self.limit, self.limit).astype(np.float32)


def to_lab(image: Frame) -> FloatImage:
    """Return an RGB frame in CIE Lab, L in [0, 100], shape (H, W, 3), float32."""
    import cv2

    lab = cv2.cvtColor(image.astype(np.float32) / np.float32(255), cv2.COLOR_RGB2Lab)
    return np.asarray(lab, dtype=np.float32)


def color_cue(lab: FloatImage, *, limit: float = 4.0) -> HistogramCue:
    """Quantize Lab colors, shape (H, W, 3)."""
    chroma = (lab[..., 1:] + _COLOR_RANGE) / (2 * _COLOR_RANGE) * _COLOR_BINS
    chroma_bins = np.clip(chroma, 0, _COLOR_BINS - 1).astype(np.intp)
    lightness = np.clip(lab[..., 0] / 100 * _LIGHTNESS_BINS, 0, _LIGHTNESS_BINS - 1)
    bins = lightness.astype(np.intp) * _COLOR_BINS + chroma_bins[..., 0]
    bins = bins * _COLOR_BINS + chroma_bins[..., 1]
    return HistogramCue(bins, (_LIGHTNESS_BINS, _COLOR_BINS, _COLOR_BINS), limit)


def motion_cue(residual: FloatImage, noise: float, *, limit: float = 3.0) -> HistogramCue:
    """Quantize camera-free motion, shape (H, W, 2), finely near zero and coarsely beyond."""
    length = np.hypot(residual[..., 0], residual[..., 1])
    squeeze = np.log1p(length / noise) / np.maximum(length, 1e-6)
    squeezed = residual * squeeze[..., None]
    position = (squeezed + _MOTION_RANGE) / (2 * _MOTION_RANGE) * _MOTION_BINS
    bins = np.clip(position, 0, _MOTION_BINS - 1).astype(np.intp)
    return HistogramCue(
        bins[..., 1] * _MOTION_BINS + bins[..., 0], (_MOTION_BINS, _MOTION_BINS), limit
    )


def _smooth(counts: Histogram) -> Histogram:
    for axis, size in enumerate(counts.shape):
        along = counts.reshape(-1, size, math.prod(counts.shape[axis + 1 :]))
        counts = np.matmul(_smoothing(size), along).reshape(counts.shape)
    return counts


@lru_cache(maxsize=16)
def _smoothing(size: int) -> Histogram:
    """Return the matrix that mixes each of some bins in a row with its neighbors."""
    row = np.arange(size)
    mixed = 0.5 * np.eye(size)
    for neighbor in (row - 1, row + 1):
        mixed[row, np.clip(neighbor, 0, size - 1)] += _NEIGHBOR
    mixed.setflags(write=False)
    return mixed
