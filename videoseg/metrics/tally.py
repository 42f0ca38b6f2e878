"""What has to be counted on each frame; every region measure follows from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from videoseg.errors import EvaluationError
from videoseg.types import FloatArray

__all__ = ["Counts", "FrameTally"]

Counts: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class FrameTally:
    """Pixels of a predicted and a true mask on each frame, and how well the boundaries match.

    Args:
        pred: Number of predicted pixels, shape (T,).
        target: Number of true pixels, shape (T,).
        intersection: Number of pixels in both, shape (T,).
        num_pixels: Number of pixels of a frame that count.
        boundary: F of each frame, shape (T,); None if it was not asked for.
    """

    pred: Counts
    target: Counts
    intersection: Counts
    num_pixels: int
    boundary: FloatArray | None = None

    def __len__(self) -> int:
        return len(self.pred)

    @property
    def union(self) -> Counts:
        """Number of pixels in either, shape (T,)."""
        return self.pred + self.target - self.intersection

    @property
    def region(self) -> FloatArray:
        """J of each frame, shape (T,); 1 where both are empty."""
        union = self.union
        return np.where(union > 0, self.intersection / np.maximum(union, 1), 1.0)

    @property
    def boundary_scores(self) -> FloatArray:
        """F of each frame, shape (T,).

        Raises:
            EvaluationError: If the boundaries have not been compared.
        """
        if self.boundary is None:
            raise EvaluationError("the boundaries have not been compared; give a tolerance")
        return self.boundary

    @property
    def first_shown(self) -> int:
        """The first frame on which either shows something; 0 if none does."""
        shown = np.flatnonzero(self.union)
        return int(shown[0]) if len(shown) else 0

    def since(self, frame: int) -> FrameTally:
        """Return the tally from this frame on."""
        return FrameTally(
            self.pred[frame:],
            self.target[frame:],
            self.intersection[frame:],
            self.num_pixels,
            None if self.boundary is None else self.boundary[frame:],
        )
