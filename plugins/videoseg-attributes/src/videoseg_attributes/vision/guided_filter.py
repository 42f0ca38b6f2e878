"""Edge-preserving smoothing: a map follows the edges of a guide image (He et al., 2010)."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from videoseg.errors import ConfigError, ShapeError
from videoseg_attributes.vision.optical_flow import FloatImage

__all__ = ["guided_filter"]


def guided_filter(
    guide: FloatImage, source: FloatImage, *, radius: int = 4, epsilon: float = 1e-3
) -> FloatImage:
    """Smooth a map so that its edges fall on those of a guide.

    Args:
        guide: Gray (H, W), or color (H, W, 3), values in [0, 1].
        source: The map to smooth, shape (H, W) or (H, W, N) for N maps at once.
        radius: Half the window's side, in pixels.
        epsilon: Guide variance below which a window counts as flat.

    Returns:
        The filtered maps, of the source's shape; may leave the source's range slightly.

    Raises:
        ShapeError: If guide and source differ in size.
        ConfigError: If radius or epsilon is not positive.
    """
    if guide.shape[:2] != source.shape[:2] or guide.ndim not in (2, 3):
        raise ShapeError("the guide", actual=guide.shape, expected=f"{source.shape[:2]} (+ 3)")
    if radius < 1 or epsilon <= 0:
        raise ConfigError(
            f"radius must be at least 1 and epsilon above 0, got {radius} and {epsilon}"
        )
    window = (2 * radius + 1, 2 * radius + 1)
    mean = partial(_mean, window=window)

    guide = np.ascontiguousarray(guide, dtype=np.float32)
    maps = source[..., None] if source.ndim == 2 else source
    filtered = np.empty(maps.shape, dtype=np.float32)
    if guide.ndim == 2:
        mean_guide = mean(guide)
        variance = mean(guide * guide) - mean_guide * mean_guide + np.float32(epsilon)
        for index in range(maps.shape[2]):
            one = np.ascontiguousarray(maps[..., index], dtype=np.float32)
            mean_one = mean(one)
            slope = (mean(guide * one) - mean_guide * mean_one) / variance
            offset = mean_one - slope * mean_guide
            filtered[..., index] = mean(slope) * guide + mean(offset)
    else:
        _filter_by_color(guide, maps, filtered, window, epsilon)
    return filtered[..., 0] if source.ndim == 2 else filtered


def _mean(image: npt.NDArray[Any], window: tuple[int, int]) -> FloatImage:
    import cv2

    blurred = cv2.blur(image, window, borderType=cv2.BORDER_REFLECT)
    return np.asarray(blurred, dtype=np.float32)


def _filter_by_color(
    guide: FloatImage,
    maps: FloatImage,
    filtered: FloatImage,
    window: tuple[int, int],
    epsilon: float,
) -> None:
    mean = partial(_mean, window=window)
    r, g, b = (np.ascontiguousarray(guide[..., index]) for index in range(3))
    mean_r, mean_g, mean_b = mean(r), mean(g), mean(b)
    rr = mean(r * r) - mean_r * mean_r + np.float32(epsilon)
    gg = mean(g * g) - mean_g * mean_g + np.float32(epsilon)
    bb = mean(b * b) - mean_b * mean_b + np.float32(epsilon)
    rg = mean(r * g) - mean_r * mean_g
    rb = mean(r * b) - mean_r * mean_b
    gb = mean(g * b) - mean_g * mean_b
    # The symmetric 3x3 covariance is inverted in closed form, for all windows at once.
    inv_rr = gg * bb - gb * gb
    inv_rg = gb * rb - rg * bb
    inv_rb = rg * gb - gg * rb
    inv_gg = rr * bb - rb * rb
    inv_gb = rb * rg - rr * gb
    inv_bb = rr * gg - rg * rg
    determinant = rr * inv_rr + rg * inv_rg + rb * inv_rb
    determinant = np.maximum(determinant, np.float32(epsilon) ** 3 * 0.5)
    for index in range(maps.shape[2]):
        one = np.ascontiguousarray(maps[..., index], dtype=np.float32)
        mean_one = mean(one)
        cov_r = mean(r * one) - mean_r * mean_one
        cov_g = mean(g * one) - mean_g * mean_one
        cov_b = mean(b * one) - mean_b * mean_one
        slope_r = (inv_rr * cov_r + inv_rg * cov_g + inv_rb * cov_b) / determinant
        slope_g = (inv_rg * cov_r + inv_gg * cov_g + inv_gb * cov_b) / determinant
        slope_b = (inv_rb * cov_r + inv_gb * cov_g + inv_bb * cov_b) / determinant
        offset = mean_one - slope_r * mean_r - slope_g * mean_g - slope_b * mean_b
        filtered[..., index] = (
            mean(slope_r) * r + mean(slope_g) * g + mean(slope_b) * b + mean(offset)
        )
