"""Histograms that tell objects and background apart, learnt while propagating."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from videoseg_attributes.propagation.cues import COLOR_SHAPE
from videoseg_attributes.vision.optical_flow import FloatImage

__all__ = ["NUM_MOTION_BINS", "HistogramModel", "color_model", "motion_bins", "motion_model"]

NUM_MOTION_BINS = 24
# Fewer (weighted) pixels than this say nothing about a distribution of colors.
_ENOUGH = 4.0


class HistogramModel:
    """One histogram for each class (0 is background): what it was prompted with, and recently.

    Args:
        shape: Shape of the histogram's bins; neighbours along an axis are smoothed together.
        sigmas: Width of that smoothing along each axis, in bins.
        anchor_share: Share of the prompted appearance against the recent one, in [0, 1].
        rate: How fast the recent appearance follows, in [0, 1].
        floor: Probability every bin has at least.
        limit: Largest log ratio between two classes.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        *,
        sigmas: tuple[float, ...],
        anchor_share: float,
        rate: float,
        floor: float,
        limit: float,
    ) -> None:
        self._shape = shape
        self._sigmas = sigmas
        self._share = np.float32(anchor_share)
        self._rate = np.float32(rate)
        self._floor = np.float32(floor)
        self._limit = np.float32(limit)
        size = int(np.prod(shape))
        self._anchor: FloatImage = np.zeros((size, 1), dtype=np.float32)
        self._recent: FloatImage = np.zeros((size, 1), dtype=np.float32)
        self._num_anchors = np.zeros(1, dtype=np.int64)

    def add_class(self) -> None:
        """Make room for one more object."""
        column = np.zeros((self._anchor.shape[0], 1), dtype=np.float32)
        self._anchor = np.concatenate([self._anchor, column], axis=1)
        self._recent = np.concatenate([self._recent, column], axis=1)
        self._num_anchors = np.append(self._num_anchors, 0)

    def measure(
        self, bins: npt.NDArray[Any], weights: FloatImage
    ) -> tuple[FloatImage, npt.NDArray[np.bool_]]:
        """Return each class's smoothed histogram, (bins, C), and which have enough pixels.

        Args:
            bins: Bin of each pixel, (h, w).
            weights: How much each pixel counts for each class, (h, w, C).
        """
        size, num_classes = self._anchor.shape[0], weights.shape[2]
        flat = bins.ravel()
        counts = np.empty((size, num_classes), dtype=np.float32)
        for index in range(num_classes):
            counts[:, index] = np.bincount(flat, weights[..., index].ravel(), minlength=size)
        totals = counts.sum(axis=0)
        counts /= np.maximum(totals, np.float32(1e-6))
        smoothed = _smooth(counts.reshape(*self._shape, num_classes), self._sigmas)
        smoothed = smoothed.reshape(size, num_classes)
        # Smoothing loses what it would put beyond the outermost bins.
        smoothed /= np.maximum(smoothed.sum(axis=0), np.float32(1e-6))
        return smoothed, totals >= _ENOUGH

    def anchor(self, histograms: FloatImage, classes: list[int]) -> None:
        """Learn prompted appearances; several prompts of one object count equally."""
        for index in classes:
            count = np.float32(self._num_anchors[index])
            self._anchor[:, index] = (self._anchor[:, index] * count + histograms[:, index]) / (
                count + 1
            )
            self._recent[:, index] = histograms[:, index]
            self._num_anchors[index] += 1

    def follow(self, histograms: FloatImage, usable: npt.NDArray[np.bool_]) -> None:
        """Let the recent appearance of the usable classes follow what is seen now."""
        self._recent[:, usable] += self._rate * (histograms - self._recent)[:, usable]

    def forget(self, index: int) -> None:
        """Drop what is known of one class (the background, after a cut)."""
        self._anchor[:, index] = 0
        self._recent[:, index] = 0
        self._num_anchors[index] = 0

    def probabilities(self) -> FloatImage:
        """Return each class's histogram, (bins, C), never below the floor."""
        mixed = self._share * self._anchor + (1 - self._share) * self._recent
        probabilities: FloatImage = mixed + self._floor
        return probabilities

    def log_ratios(self, bins: npt.NDArray[Any]) -> FloatImage:
        """Return the log probability ratio of each class to background, (h, w, C)."""
        logs = np.log(self.probabilities())
        logs = np.clip(logs - logs[:, :1], -self._limit, self._limit)
        ratios: FloatImage = logs[bins]
        return ratios


def color_model() -> HistogramModel:
    """Return the model of Lab colors."""
    return HistogramModel(
        COLOR_SHAPE,
        sigmas=(0.5, 0.6, 0.6),
        anchor_share=0.7,
        rate=0.1,
        floor=1e-5,
        limit=4.0,
    )


def motion_model() -> HistogramModel:
    """Return the model of motion strength.

    Learning it, rather than taking motion for a score, lets it fade where motion does not
    separate the object: a still object among still things, or one of many that move.
    """
    return HistogramModel(
        (NUM_MOTION_BINS,),
        sigmas=(0.85,),
        anchor_share=0.0,
        rate=0.1,
        floor=0.01,
        limit=3.0,
    )


def motion_bins(motion: FloatImage) -> npt.NDArray[np.int32]:
    """Return the bin of each pixel's motion strength, (h, w)."""
    return np.clip(motion * NUM_MOTION_BINS, 0, NUM_MOTION_BINS - 1).astype(np.int32)


def _smooth(histogram: FloatImage, sigmas: tuple[float, ...]) -> FloatImage:
    for axis, sigma in enumerate(sigmas):
        side = float(np.exp(-0.5 / (sigma * sigma)))
        centre = 1.0 / (1.0 + 2.0 * side)
        smoothed = histogram * np.float32(centre)
        lower = [slice(None)] * histogram.ndim
        upper = [slice(None)] * histogram.ndim
        lower[axis], upper[axis] = slice(None, -1), slice(1, None)
        neighbour = np.float32(centre * side)
        smoothed[tuple(lower)] += neighbour * histogram[tuple(upper)]
        smoothed[tuple(upper)] += neighbour * histogram[tuple(lower)]
        histogram = smoothed
    return histogram
