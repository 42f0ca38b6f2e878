"""Small textured scenes with known motion, drawn for the tests beside this file."""

from __future__ import annotations

import cv2
import numpy as np


def texture(height: int, width: int, seed: int, *, low: int = 40, high: int = 215) -> np.ndarray:
    """Return a smooth random gray texture, (height, width) uint8."""
    noise = np.random.default_rng(seed).random((height, width)).astype(np.float32)
    blurred = cv2.GaussianBlur(noise, (0, 0), 1.5)
    spread = (blurred - blurred.min()) / (blurred.max() - blurred.min())
    return (low + spread * (high - low)).astype(np.uint8)


def color_texture(height: int, width: int, seed: int) -> np.ndarray:
    """Return a smooth random color texture, (height, width, 3) uint8."""
    return np.stack([texture(height, width, 3 * seed + c) for c in range(3)], axis=2)
