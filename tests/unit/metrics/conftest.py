from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from videoseg.types import Rle


@pytest.fixture
def encoded() -> Callable[[np.ndarray], list[Rle | None]]:
    """Encode masks of shape (T, H, W); empty ones become None."""
    return lambda masks: [Rle.encode(mask) if mask.any() else None for mask in masks]


@pytest.fixture
def moving_squares() -> Callable[..., np.ndarray]:
    """Draw a square that moves to the right, shape (T, H, W)."""

    def draw(num_frames: int, *, top: int = 4, side: int = 9, size=(40, 60)) -> np.ndarray:
        masks = np.zeros((num_frames, *size), dtype=bool)
        for index, mask in enumerate(masks):
            left = index * (size[1] - side) // max(num_frames - 1, 1)
            mask[top : top + side, left : left + side] = True
        return masks

    return draw
