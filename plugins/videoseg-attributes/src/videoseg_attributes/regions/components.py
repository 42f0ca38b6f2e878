"""Connected components of small binary images, measured only where that is wanted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from videoseg.types import IntArray

__all__ = ["Components", "PixelBox", "find_components"]

PixelBox: TypeAlias = tuple[int, int, int, int]
"""Left, top, width and height in pixels."""


@dataclass(frozen=True, eq=False, slots=True)
class Components:
    """The connected components of an image.

    OpenCV's own statistics take four times as long as the search, and most components are specks
    that nobody asks about.

    Args:
        labels: From 1, 0 for the background, shape (h, w).
        areas: In pixels, by label; 0 for the background.
    """

    labels: npt.NDArray[np.uint16]
    areas: IntArray

    def box_of(self, label: int) -> PixelBox:
        """Return the tightest box around a component."""
        import cv2

        left, top, width, height = cv2.boundingRect((self.labels == label).view(np.uint8))
        return left, top, width, height


def find_components(binary: npt.NDArray[np.uint8]) -> Components:
    """Return the 8-connected components of an image of fewer than 250,000 pixels, (h, w)."""
    import cv2

    _, found = cv2.connectedComponents(binary, ltype=cv2.CV_16U)
    labels = np.asarray(found, dtype=np.uint16)
    areas = np.bincount(labels.ravel())
    areas[0] = 0
    return Components(labels, areas)
