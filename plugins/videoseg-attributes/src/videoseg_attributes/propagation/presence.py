"""Whether an object is visible: its loss, and its re-identification when it returns."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from videoseg.types import BoolArray
from videoseg_attributes.propagation.cues import NUM_COLORS, FrameCues
from videoseg_attributes.vision.optical_flow import FloatImage

__all__ = ["Presence"]

# Fraction of its former area below which an object counts as hidden.
_HIDDEN_SHARE = 0.03
# What is found again must have at least and at most these parts of the last good area.
_MIN_RETURN, _MAX_RETURN = 0.12, 4.0
# Mean log ratio (object against background) and color similarity for a return.
_MIN_EVIDENCE = 1.5
_MIN_SIMILARITY = 0.45
_MIN_SIMILARITY_ANYWHERE = 0.6
# Set by hand on the clips of tests/benchmarks/flow_davis.py. Areas are in cue pixels.
_TINY_AREA, _LEAST_AREA, _SMALLEST_AREA = 4.0, 0.02, 1e-3
_GROWTH_RATE, _SHRINK_RATE = 0.2, 0.03  # a frame
_VELOCITY_KEPT, _VELOCITY_NEW, _VELOCITY_DECAY = 0.7, 0.3, 0.9  # a frame
_EVIDENCE_LIMIT = 4.0  # nats
_SEARCH_BLUR = 0.12  # of the square root of the area
# How far a hidden object may be from where it was lost: of the square root of its area, in
# reference pixels, and in reference pixels for each hidden frame.
_REACH_OF_SIZE, _REACH_BASE, _REACH_A_FRAME = 1.5, 6.0, 1.5


class Presence:
    """One object's size and place while it is visible, and the search while it is not.

    Args:
        unit: Length of one reference pixel on the cue grid.
    """

    def __init__(self, unit: float) -> None:
        self._unit = unit
        self._area = 1.0
        self._center = np.zeros(2)
        self._velocity = np.zeros(2)
        self._hidden_frames = 0
        self._anywhere = False
        self.visible = False

    def place(self, posterior: FloatImage, cues: FrameCues) -> None:
        """Start over from a given mask, (h, w) in [0, 1]."""
        posterior = np.ascontiguousarray(posterior)
        self._area = max(float(posterior.sum()), _SMALLEST_AREA)
        self._center = _center_of(posterior)
        self._velocity = _velocity_of(posterior, cues)
        self.visible = True
        self._hidden_frames = 0
        self._anywhere = False

    def move(self, scale: tuple[float, float], shift: tuple[float, float], *, unit: float) -> None:
        """Go over to another cue grid.

        Args:
            scale: How many new cells an old one is, along x and y.
            shift: The (x, y) of the old origin on the new grid.
            unit: Length of one reference pixel on the new grid.
        """
        self._unit = unit
        self._area = max(self._area * scale[0] * scale[1], _SMALLEST_AREA)
        self._center = self._center * np.array(scale) + np.array(shift)
        self._velocity = self._velocity * np.array(scale)

    def follow(self, posterior: FloatImage, cues: FrameCues) -> bool:
        """Update size and place from the posterior, (h, w); return whether it is visible."""
        # Sums over every other number are slow.
        posterior = np.ascontiguousarray(posterior)
        solid = posterior > 0.5
        # Solid parts count, not the sum: a haze over the frame is not an object.
        area = float(posterior[solid].sum())
        # An object of a pixel or two on the cue grid may never be solid.
        if self._area < _TINY_AREA:
            area = max(area, float(posterior.sum()))
        if area < _HIDDEN_SHARE * self._area or area < _LEAST_AREA:
            self.lose()
            return False
        # A shrinking object is followed slowly, so that being covered is not taken for
        # getting smaller.
        rate = _GROWTH_RATE if area > self._area else _SHRINK_RATE
        self._area += rate * (area - self._area)
        self._center = _center_of(posterior)
        self._velocity = _VELOCITY_KEPT * self._velocity + _VELOCITY_NEW * _velocity_of(
            posterior, cues
        )
        return True

    def lose(self, *, everywhere: bool = False) -> None:
        """Count the object as hidden; ``everywhere`` if its last place no longer counts."""
        self.visible = False
        self._hidden_frames = 0
        self._anywhere = self._anywhere or everywhere

    def regain(self, posterior: FloatImage, cues: FrameCues) -> None:
        """Count the object as visible again, at this posterior, (h, w)."""
        self.visible = True
        self._hidden_frames = 0
        self._anywhere = False
        self._center = _center_of(posterior)
        self._velocity = _velocity_of(posterior, cues)

    def search(
        self,
        cues: FrameCues,
        object_colors: FloatImage,
        background_colors: FloatImage,
        free: FloatImage,
        *,
        within: BoolArray | None = None,
    ) -> BoolArray | None:
        """Look for the hidden object; its mask, (h, w), or None if nothing is convincing.

        Args:
            cues: The current frame.
            object_colors: Probability of each color for the object, (bins,).
            background_colors: The same for the background.
            free: Posterior of no other object at each pixel, (h, w).
            within: Where it was seen, (h, w); None for what is in reach of its last place.
        """
        import cv2

        self._hidden_frames += 1
        self._drift(cues)
        ratio = np.log(object_colors / background_colors)[cues.colors]
        evidence = (
            np.clip(ratio, -_EVIDENCE_LIMIT, _EVIDENCE_LIMIT) * free
            + (free - 1.0) * _EVIDENCE_LIMIT
        )
        # Specks of the right color are everywhere; an object is a patch of it.
        sigma = max(0.5, _SEARCH_BLUR * float(np.sqrt(self._area)))
        smoothed = np.asarray(cv2.GaussianBlur(evidence, (0, 0), sigma), dtype=np.float32)
        smoothed[~(self._plausible(cues) if within is None else within)] = -_EVIDENCE_LIMIT
        count, labels, stats, _ = cv2.connectedComponentsWithStats(
            (smoothed > 0.5).astype(np.uint8), connectivity=8
        )
        best: BoolArray | None = None
        best_score = 0.0
        wanted = _MIN_SIMILARITY_ANYWHERE if self._anywhere else _MIN_SIMILARITY
        for label in range(1, count):
            area = float(stats[label, cv2.CC_STAT_AREA])
            if not _MIN_RETURN * self._area <= area <= _MAX_RETURN * self._area:
                continue
            part: BoolArray = labels == label
            strength = float(evidence[part].mean())
            if strength < _MIN_EVIDENCE:
                continue
            similarity = self._similarity(cues.colors[part], object_colors)
            if similarity < wanted:
                continue
            score = strength * similarity * np.sqrt(min(area, self._area))
            if score > best_score:
                best, best_score = part, score
        return best

    def _drift(self, cues: FrameCues) -> None:
        """Move the last place with the camera (and, for a moment, with the object)."""
        if cues.flow is None or cues.residual is None or self._anywhere:
            return
        camera = np.median((cues.residual - cues.flow).reshape(-1, 2), axis=0)
        self._velocity *= _VELOCITY_DECAY
        self._center = self._center + camera + self._velocity

    def _plausible(self, cues: FrameCues) -> BoolArray:
        height, width = cues.colors.shape
        if self._anywhere:
            return np.ones((height, width), dtype=bool)
        # It may have moved on, turned back or waited, so the circle grows with time.
        reach = (
            _REACH_OF_SIZE * float(np.sqrt(self._area))
            + _REACH_BASE * self._unit
            + self._hidden_frames
            * (_REACH_A_FRAME * self._unit + float(np.hypot(*self._velocity)))
        )
        x = np.arange(width) - np.clip(self._center[0], 0, width - 1)
        y = np.arange(height)[:, None] - np.clip(self._center[1], 0, height - 1)
        plausible: BoolArray = x * x + y * y <= reach * reach
        return plausible

    def _similarity(self, colors: npt.NDArray[np.int32], expected: FloatImage) -> float:
        counts = np.bincount(colors, minlength=NUM_COLORS).astype(np.float32)
        # Compared over coarse bins: a few hundred pixels cannot fill the fine ones.
        found, wanted = _coarse(counts), _coarse(expected - expected.min())
        total = float(found.sum()) * float(wanted.sum())
        return float(np.sqrt(found * wanted).sum()) / float(np.sqrt(total)) if total > 0 else 0.0


def _coarse(histogram: FloatImage) -> FloatImage:
    coarse: FloatImage = histogram.reshape(8, 2, 8, 4, 8, 4).sum(axis=(1, 3, 5)).ravel()
    return coarse


def _center_of(posterior: FloatImage) -> npt.NDArray[np.float64]:
    total = max(float(posterior.sum()), 1e-6)
    x = float((posterior.sum(axis=0) * np.arange(posterior.shape[1])).sum()) / total
    y = float((posterior.sum(axis=1) * np.arange(posterior.shape[0])).sum()) / total
    return np.array([x, y])


def _velocity_of(posterior: FloatImage, cues: FrameCues) -> npt.NDArray[np.float64]:
    """Return the object's own motion in cue pixels a frame, (x, y)."""
    if cues.residual is None:
        return np.zeros(2)
    total = max(float(posterior.sum()), 1e-6)
    sums = [float((cues.residual[..., axis] * posterior).sum()) for axis in (0, 1)]
    return -np.array(sums) / total
