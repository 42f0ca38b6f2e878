"""Maps of several classes, shape (h, w, C), such as posteriors.

NumPy works many times faster on a whole plane than on the short rows of the last axis.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from videoseg.types import Size
from videoseg_attributes.vision.optical_flow import FloatImage, resize_image, warp

__all__ = [
    "append_empty_class",
    "blur_classes",
    "insert_given",
    "normalize_classes",
    "resize_classes",
    "sum_classes",
    "warp_classes",
]

_LEAST_BLUR = 0.2  # pixels; less does nothing


def sum_classes(posteriors: FloatImage) -> FloatImage:
    """Return the sum over the classes, (h, w)."""
    # Adding plane by plane is many times faster than reducing over a short last axis.
    total: FloatImage = posteriors[..., 0].copy()
    for number in range(1, posteriors.shape[2]):
        total += posteriors[..., number]
    return total


def normalize_classes(posteriors: FloatImage) -> FloatImage:
    """Divide by the sum over the classes, in place, and return the same array."""
    total = np.maximum(sum_classes(posteriors), np.float32(1e-6))
    for number in range(posteriors.shape[2]):
        posteriors[..., number] /= total
    return posteriors


def warp_classes(posteriors: FloatImage, flow: FloatImage) -> FloatImage:
    """Return the maps carried along a flow, (h, w, 2)."""
    # Four channels at most go through one remap.
    parts = [
        warp(posteriors[..., start : start + 4], flow).reshape(*posteriors.shape[:2], -1)
        for start in range(0, posteriors.shape[2], 4)
    ]
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=2)


def resize_classes(posteriors: FloatImage, size: Size) -> FloatImage:
    """Return the maps at another size (h, w)."""
    parts = [
        resize_image(posteriors[..., start : start + 4], size).reshape(*size, -1)
        for start in range(0, posteriors.shape[2], 4)
    ]
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=2)


def blur_classes(image: FloatImage, sigma: float) -> FloatImage:
    """Return the maps, or a single one (h, w), blurred by a Gaussian of ``sigma`` pixels."""
    import cv2

    if sigma < _LEAST_BLUR:
        return image
    shape: tuple[Any, ...] = image.shape
    if image.ndim == 2:
        return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), dtype=np.float32)
    parts = [
        cv2.GaussianBlur(np.ascontiguousarray(image[..., start : start + 4]), (0, 0), sigma)
        for start in range(0, shape[2], 4)
    ]
    blurred = [np.asarray(part, dtype=np.float32).reshape(*shape[:2], -1) for part in parts]
    return blurred[0] if len(blurred) == 1 else np.concatenate(blurred, axis=2)


def append_empty_class(posteriors: FloatImage) -> FloatImage:
    """Return the maps with another one, of zeros, behind them."""
    empty = np.zeros((*posteriors.shape[:2], 1), dtype=np.float32)
    return np.concatenate([posteriors, empty], axis=2)


def insert_given(posteriors: FloatImage, given: FloatImage, classes: list[int]) -> FloatImage:
    """Return the posteriors with given ones, (h, w, len(classes)), put over them."""
    placed = posteriors.copy()
    placed[..., classes] = 0.0
    rest = placed.sum(axis=2, keepdims=True)
    taken = given.sum(axis=2, keepdims=True)
    placed *= (1.0 - taken) / np.maximum(rest, np.float32(1e-6))
    # Where nothing else had a posterior, what is not taken is background.
    placed[..., :1] += np.where(rest > 1e-6, np.float32(0.0), 1.0 - taken)
    placed[..., classes] = given
    return placed
