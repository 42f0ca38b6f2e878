"""Models of how objects and background look and move, learned while propagating."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from videoseg_attributes.propagation.cues import COLOR_SHAPE, FrameCues
from videoseg_attributes.vision.optical_flow import FloatImage, warp

__all__ = [
    "NUM_MOTION_BINS",
    "HistogramModel",
    "StillBackground",
    "color_model",
    "motion_bins",
    "motion_layers",
    "motion_model",
]

NUM_MOTION_BINS = 24  # of motion strength in [0, 1]; from the study named below
# Fewer (weighted) pixels than this say nothing about a distribution of colors.
_ENOUGH = 4.0
# From a study on six DAVIS clips (blackswan, camel, car-shadow, dance-twirl, dog, rollerblade);
# results change little around these values.
_COLOR_SIGMAS, _MOTION_SIGMAS = (0.5, 0.6, 0.6), (0.85,)  # bins; smoothing of the histograms
_COLOR_ANCHOR = 0.7  # weight of the prompted colors; motion keeps none
_LEARNING_RATE = 0.1  # a frame
_COLOR_FLOOR, _MOTION_FLOOR = 1e-5, 0.01  # probability that every bin has at least
_COLOR_LIMIT, _MOTION_LIMIT = 4.0, 3.0  # nats
# The remaining values were set by hand on the same clips; not measured separately.
_LEAST_UNIT = 0.1  # cue pixels
_UNKNOWN = 0.3  # below this memory of the background, its color is taken anew
_SURE = 0.6  # posterior of pixels from which an object's motion is fitted
_MISS_SCALE, _MISS_FLOOR = 1.5, 0.1  # of the median miss; cue pixels
_LEAST_TRUST = 0.05  # added to the confidence of the flow
_RIDGE = (1e-4, 2e-3, 2e-3)  # keeps the fit of a small or flat object stable
_MATCH = 10.0  # Lab distance of an unchanged background
_RATE = 0.2  # a frame; of the background's memory
_LIMIT = 3.0  # nats between objects that move differently
_MAX_SAMPLES = 1500  # pixels for one fit


class HistogramModel:
    """Two histograms for each class (0 is background): as prompted, and recent.

    Args:
        shape: Shape of the histogram's bins; neighbors along an axis are smoothed together.
        sigmas: Width of that smoothing along each axis, in bins.
        anchor_share: Weight of the prompted histogram against the recent one, in [0, 1].
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
        totals = np.empty(num_classes, dtype=np.float32)
        smoothed = np.empty((size, num_classes), dtype=np.float32)
        # Class by class is several times faster than working on short rows.
        for index in range(num_classes):
            samples = weights[..., index].ravel()
            counts = np.bincount(flat, samples, minlength=size).astype(np.float32)
            totals[index] = counts.sum()
            counts /= max(totals[index], np.float32(1e-6))
            one = _smooth(counts.reshape(self._shape), self._sigmas).ravel()
            # Smoothing loses what it would put beyond the outermost bins.
            one /= max(one.sum(), np.float32(1e-6))
            smoothed[:, index] = one
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
        """Update the recent histograms of the usable classes."""
        self._recent[:, usable] += self._rate * (histograms - self._recent)[:, usable]

    def forget(self, index: int) -> None:
        """Drop the histograms of one class (the background, after a cut)."""
        self._anchor[:, index] = 0
        self._recent[:, index] = 0
        self._num_anchors[index] = 0

    def probabilities(self) -> FloatImage:
        """Return each class's histogram, (bins, C), never below the floor."""
        mixed = self._share * self._anchor + (1 - self._share) * self._recent
        probabilities: FloatImage = mixed + self._floor
        return probabilities

    def log_ratios(self, bins: npt.NDArray[Any], classes: slice | None = None) -> FloatImage:
        """Return the log probability ratio of classes to background, (h, w, number of classes).

        Args:
            bins: Bin of each pixel, (h, w).
            classes: Which classes; None for all, the background first.
        """
        chosen = range(*(classes or slice(None)).indices(self._anchor.shape[1]))
        background = np.log(self._probability(0))
        ratios: FloatImage = np.zeros((*bins.shape, len(chosen)), dtype=np.float32)
        # Class by class is several times faster than reading short rows.
        for place, index in enumerate(chosen):
            if index > 0:
                logs = np.log(self._probability(index)) - background
                ratios[..., place] = np.clip(logs, -self._limit, self._limit).take(bins)
        return ratios

    def _probability(self, index: int) -> FloatImage:
        recent = (1 - self._share) * self._recent[:, index]
        probability: FloatImage = self._share * self._anchor[:, index] + recent + self._floor
        return probability


def color_model() -> HistogramModel:
    """Return the model of Lab colors."""
    return HistogramModel(
        COLOR_SHAPE,
        sigmas=_COLOR_SIGMAS,
        anchor_share=_COLOR_ANCHOR,
        rate=_LEARNING_RATE,
        floor=_COLOR_FLOOR,
        limit=_COLOR_LIMIT,
    )


def motion_model() -> HistogramModel:
    """Return the model of motion strength.

    Learning it, rather than taking motion for a score, lets it fade where motion does not
    separate the object: a still object among still objects, or one of many that move.
    """
    return HistogramModel(
        (NUM_MOTION_BINS,),
        sigmas=_MOTION_SIGMAS,
        anchor_share=0.0,
        rate=_LEARNING_RATE,
        floor=_MOTION_FLOOR,
        limit=_MOTION_LIMIT,
    )


def motion_bins(motion: FloatImage) -> npt.NDArray[np.int32]:
    """Return the bin of each pixel's motion strength, (h, w)."""
    return np.clip(motion * NUM_MOTION_BINS, 0, NUM_MOTION_BINS - 1).astype(np.int32)


def _smooth(histogram: FloatImage, sigmas: tuple[float, ...]) -> FloatImage:
    for axis, sigma in enumerate(sigmas):
        side = float(np.exp(-0.5 / (sigma * sigma)))
        center = 1.0 / (1.0 + 2.0 * side)
        smoothed = histogram * np.float32(center)
        lower = [slice(None)] * histogram.ndim
        upper = [slice(None)] * histogram.ndim
        lower[axis], upper[axis] = slice(None, -1), slice(1, None)
        neighbor = np.float32(center * side)
        smoothed[tuple(lower)] += neighbor * histogram[tuple(upper)]
        smoothed[tuple(upper)] += neighbor * histogram[tuple(lower)]
        histogram = smoothed
    return histogram


class StillBackground:
    """Remembers the colors of the background, compensating for the camera's motion.

    It keeps masks from spreading to background of the object's colors: a hedge behind a dog, a
    shadow beside a car.

    Args:
        unit: Length of one reference pixel on the cue grid.
    """

    def __init__(self, unit: float) -> None:
        self._still = 0.5 * max(unit, _LEAST_UNIT)
        self._known: FloatImage | None = None
        self._colors: FloatImage | None = None

    def forget(self) -> None:
        """Start over (a new scene)."""
        self._known = None
        self._colors = None

    def evidence(self, cues: FrameCues) -> FloatImage | None:
        """Return the probability of unchanged background at each pixel, (h, w).

        Moves the memory on to this frame; call it once for each frame.
        """
        known, colors = self._known, self._colors
        if known is None or colors is None or cues.flow is None or cues.residual is None:
            self.forget()
            return None
        camera = cues.flow - cues.residual
        known = warp(known, camera, outside=0.0)
        colors = warp(colors, camera).reshape(*known.shape, 3)
        self._known, self._colors = known, colors
        gap = _squared_length(cues.lab - colors) * np.float32(-0.5 / _MATCH**2)
        gap += _squared_length(cues.residual) * np.float32(-1.0 / self._still**2)
        evidence: FloatImage = known * np.exp(gap)
        return evidence

    def learn(self, cues: FrameCues, background: FloatImage) -> None:
        """Update the memory with the background of this frame, (h, w) in [0, 1]."""
        lab = cues.lab.astype(np.float32)
        if self._known is None or self._colors is None:
            self._known, self._colors = background.copy(), lab
            return
        self._known += np.float32(_RATE) * (background - self._known)
        change = np.float32(_RATE) * (lab - self._colors)
        for channel in range(3):
            change[..., channel] *= background
        self._colors += change
        # Nothing is known yet of what has just come into view.
        fresh = self._known < _UNKNOWN
        self._colors[fresh] = lab[fresh]


def _squared_length(vectors: FloatImage) -> FloatImage:
    # Adding plane by plane is many times faster than reducing over a short last axis.
    total: FloatImage = np.square(vectors[..., 0])
    for axis in range(1, vectors.shape[2]):
        total += np.square(vectors[..., axis])
    return total


def motion_layers(residual: FloatImage, confidence: FloatImage, carried: FloatImage) -> FloatImage:
    """Score each pixel for each object by how well it fits the object's own affine motion.

    Only objects are compared with one another. Object against background is left to the
    learned motion cue, since an affine motion fits a rigid camera much better than a body.

    Args:
        residual: Camera-free motion of each pixel, (h, w, 2).
        confidence: How far to trust it, in [0, 1], (h, w).
        carried: Each object's posterior warped from the last frame, (h, w, N).

    Returns:
        Scores in [-3, 0], (h, w, N); 0 for the object that fits best.
    """
    height, width, num_objects = carried.shape
    scores = np.zeros(carried.shape, dtype=np.float32)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) / np.float32(max(height, width))
    for number in range(num_objects):
        rows, columns = np.nonzero(carried[..., number] > _SURE)
        if len(rows) < 20:
            continue
        step = max(1, len(rows) // _MAX_SAMPLES)
        rows, columns = rows[::step], columns[::step]
        center = (float(x[rows, columns].mean()), float(y[rows, columns].mean()))
        basis = np.stack(
            [np.ones(len(rows)), x[rows, columns] - center[0], y[rows, columns] - center[1]],
            axis=1,
        )
        affine, spread = _fit(basis, residual[rows, columns], confidence[rows, columns])
        fitted = [
            affine[0, axis] + affine[1, axis] * (x - center[0]) + affine[2, axis] * (y - center[1])
            for axis in (0, 1)
        ]
        miss = np.hypot(residual[..., 0] - fitted[0], residual[..., 1] - fitted[1])
        scale = _MISS_SCALE * max(0.5, spread)
        scores[..., number] = -np.log1p(np.square(miss / scale)) - np.log(scale)
    scores -= scores.max(axis=2, keepdims=True)
    limited: FloatImage = np.maximum(scores, -_LIMIT) * confidence[..., None]
    return limited


def _fit(
    basis: npt.NDArray[np.float64], moved: FloatImage, confidence: FloatImage
) -> tuple[npt.NDArray[np.float64], float]:
    """Return a robust affine motion, (3, 2), and the median miss."""
    trust = confidence.astype(np.float64) + _LEAST_TRUST
    ridge = np.diag(_RIDGE) * len(basis)
    weights = trust
    affine = np.zeros((3, 2))
    spread = 0.0
    for _ in range(4):
        weighted = basis * weights[:, None]
        affine = np.linalg.solve(weighted.T @ basis + ridge, weighted.T @ moved)
        miss = np.hypot(*(moved - basis @ affine).T)
        spread = float(np.median(miss))
        weights = trust / (1.0 + np.square(miss / (spread + _MISS_FLOOR)))
    return affine, spread
