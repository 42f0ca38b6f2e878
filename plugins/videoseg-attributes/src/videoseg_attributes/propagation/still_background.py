"""A memory of the scene: what was background, stays put and looks the same still is."""

from __future__ import annotations

import numpy as np

from videoseg_attributes.propagation.cues import FrameCues
from videoseg_attributes.vision.optical_flow import FloatImage, resize_image, warp

__all__ = ["StillBackground"]

_MATCH = 10.0
_RATE = 0.2


class StillBackground:
    """Keeps the background's colors in place while the camera moves.

    It keeps masks from creeping over things that have the object's colors but do not move
    with it: a hedge behind a dog, a shadow beside a car.

    Args:
        unit: Length of one reference pixel on the cue grid.
    """

    def __init__(self, unit: float) -> None:
        self._still = 0.5 * max(unit, 0.1)
        self._known: FloatImage | None = None
        self._colors: FloatImage | None = None

    def forget(self) -> None:
        """Start over (a new scene)."""
        self._known = None
        self._colors = None

    def evidence(self, cues: FrameCues) -> FloatImage | None:
        """Return how surely each pixel is unchanged background, in [0, 1], (h, w).

        Carries the memory on to this frame; call it once for each.
        """
        known, colors = self._known, self._colors
        if known is None or colors is None or cues.flow is None or cues.residual is None:
            self.forget()
            return None
        camera = cues.flow - cues.residual
        known = warp(known, camera, outside=0.0)
        colors = warp(colors, camera).reshape(*known.shape, 3)
        gap = np.square(_lab(cues) - colors).sum(axis=2)
        match = np.exp(gap * np.float32(-0.5 / _MATCH**2))
        speed = np.square(cues.residual).sum(axis=2)
        still = np.exp(speed * np.float32(-1.0 / self._still**2))
        self._known, self._colors = known, colors
        evidence: FloatImage = known * match * still
        return evidence

    def learn(self, cues: FrameCues, background: FloatImage) -> None:
        """Take in which pixels are background on this frame, (h, w) in [0, 1]."""
        lab = _lab(cues)
        if self._known is None or self._colors is None:
            self._known, self._colors = background.copy(), lab
            return
        self._known += np.float32(_RATE) * (background - self._known)
        self._colors += np.float32(_RATE) * (lab - self._colors) * background[..., None]
        # Nothing is known yet of what has just come into view.
        fresh = self._known < 0.3
        self._colors[fresh] = lab[fresh]


def _lab(cues: FrameCues) -> FloatImage:
    import cv2

    small = np.ascontiguousarray(resize_image(cues.guide, cues.colors.shape))
    lab = cv2.cvtColor(small.reshape(*cues.colors.shape, 3), cv2.COLOR_RGB2LAB)
    return lab.astype(np.float32)
