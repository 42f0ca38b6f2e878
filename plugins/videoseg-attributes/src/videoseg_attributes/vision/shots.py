"""Shot cuts: where one shot ends and another begins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from videoseg.types import Frame, Size
from videoseg_attributes.vision.optical_flow import (
    FloatImage,
    GrayFrame,
    dense_flow,
    shrink_image,
    to_gray,
    warp,
)

__all__ = ["CutEvidence", "Thumbnail", "begins_shot", "cut_evidence", "is_cut", "thumbnail"]

_SIDE = 96  # pixels of a thumbnail's longer side
# Consecutive frames of one shot stay below 0.12 and 0.38 on the clips measured, frames of
# two different scenes lie above 0.42 and 0.5. A cut inside one scene keeps its colors, so
# it must show more clearly in the structure.
_CUTS = ((0.28, 0.45), (0.15, 0.75))
_LEVELS_OF_NOISE = 4.0  # gray levels added to a frame's own contrast
_TINY = 1e-3  # gray levels
_MEAN, _SPREAD, _MOST_GAIN = 128.0, 48.0, 2.0  # gray levels of an equalized frame; contrast gain
_LARGEST_VALUE = 255.0  # of an 8-bit channel


@dataclass(frozen=True, eq=False, slots=True)
class Thumbnail:
    """The part of a frame that cut detection needs.

    Args:
        gray: Downscaled luma, the longer side about 96 pixels.
        histogram: Square roots of a color histogram's entries, of unit length.
    """

    gray: GrayFrame
    histogram: FloatImage


@dataclass(frozen=True, slots=True)
class CutEvidence:
    """How unlike two frames are.

    Args:
        color_distance: Hellinger distance of their color histograms, in [0, 1].
        unexplained: Share of the second frame's structure that moving the first frame's
            pixels about does not explain, in [0, 1].
    """

    color_distance: float
    unexplained: float

    @property
    def is_cut(self) -> bool:
        """Whether a new shot begins: neither color nor motion connects the frames."""
        return any(
            self.color_distance > color and self.unexplained > structure
            for color, structure in _CUTS
        )


def thumbnail(frame: Frame, *, source: Size | None = None) -> Thumbnail:
    """Shrink an RGB frame, shape (H, W, 3), to what cut detection needs.

    Args:
        frame: The frame.
        source: (height, width) that it had before it was made smaller. Only thumbnails of
            frames of one size can be compared, and this tells that of the thumbnail.
    """
    height, width = source or frame.shape[:2]
    scale = min(1.0, _SIDE / max(height, width))
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    small = shrink_image(frame, size)
    bins = (small >> 5).astype(np.int64).reshape(-1, 3)
    counts = np.bincount(bins[:, 0] * 64 + bins[:, 1] * 8 + bins[:, 2], minlength=512)
    histogram = np.sqrt(counts / max(1, counts.sum())).astype(np.float32)
    return Thumbnail(to_gray(small), histogram)


def cut_evidence(first: Thumbnail, second: Thumbnail) -> CutEvidence:
    """Compare two consecutive frames."""
    overlap = float(np.dot(first.histogram, second.histogram))
    color = float(np.sqrt(max(0.0, 1.0 - overlap)))
    before, target = _equalize(first.gray), _equalize(second.gray)
    flow = dense_flow(target.astype(np.uint8), before.astype(np.uint8), scale=1.0, preset="fast")
    moved = warp(before, flow)
    # Compared against the frame's own contrast; the few levels added keep noise on a flat
    # frame from counting as structure.
    spread = float(np.mean(np.abs(target - target.mean()))) + _LEVELS_OF_NOISE
    unexplained = float(np.mean(np.abs(target - moved))) / spread
    return CutEvidence(color, min(1.0, unexplained))


def begins_shot(first: Thumbnail, second: Thumbnail) -> bool:
    """Return whether a new shot begins between two consecutive frames.

    As ``cut_evidence(first, second).is_cut``, but motion is measured only where the colors
    leave it open.
    """
    overlap = float(np.dot(first.histogram, second.histogram))
    color = float(np.sqrt(max(0.0, 1.0 - overlap)))
    if color <= min(color for color, _ in _CUTS):
        return False
    return cut_evidence(first, second).is_cut


def _equalize(gray: GrayFrame) -> FloatImage:
    """Give every frame the same brightness and contrast: fades and flashes are not cuts."""
    values = gray.astype(np.float32)
    gain = min(_MOST_GAIN, _SPREAD / (float(values.std()) + _TINY))
    evened: FloatImage = np.clip(
        (values - values.mean()) * np.float32(gain) + _MEAN, 0.0, _LARGEST_VALUE
    )
    return evened


def is_cut(first: Frame, second: Frame) -> bool:
    """Return whether a new shot begins between two consecutive RGB frames, (H, W, 3)."""
    return begins_shot(thumbnail(first), thumbnail(second))
