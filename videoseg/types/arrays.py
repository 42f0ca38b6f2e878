"""Names for the arrays that pass between stages."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["BoolArray", "FloatArray", "Frame", "IntArray", "Size"]

Frame: TypeAlias = npt.NDArray[np.uint8]
"""One decoded frame: RGB, shape (H, W, 3), dtype uint8."""

BoolArray: TypeAlias = npt.NDArray[np.bool_]
FloatArray: TypeAlias = npt.NDArray[np.floating]
IntArray: TypeAlias = npt.NDArray[np.integer]

Size: TypeAlias = tuple[int, int]
"""(height, width), always in that order, in pixels."""
