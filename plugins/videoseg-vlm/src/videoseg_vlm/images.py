"""Images, resized and packed the way models are shown them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from videoseg import ConfigError
from videoseg.types import Frame, Size

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["MAX_ASPECT_RATIO", "fitted_size", "resized", "stretches_to_square"]

MAX_ASPECT_RATIO = 200.0
"""Above this ratio of the longer to the shorter side, Qwen-VL processors refuse an image."""


def fitted_size(size: Size, *, max_pixels: int, min_pixels: int = 1, factor: int = 1) -> Size:
    """Return the size at which to show an image within a budget.

    Both sides are multiples of ``factor``, and the aspect ratio is kept as far as that allows.
    Where the budget is too small for a single ``factor`` on the shorter side, that one is
    shown nevertheless.

    Args:
        size: The image's (height, width).
        max_pixels: Upper bound on height x width.
        min_pixels: Lower bound on height x width; smaller images are enlarged.
        factor: What both sides are multiples of, in pixels.

    Raises:
        ConfigError: If the bounds leave nothing, or the image is more than
            ``MAX_ASPECT_RATIO`` times as long as it is wide.
    """
    height, width = size
    if max_pixels < max(1, min_pixels):
        raise ConfigError(
            f"max_pixels must be at least min_pixels and 1, got {max_pixels} and {min_pixels}"
        )
    ratio = max(height, width) / min(height, width)
    if ratio > MAX_ASPECT_RATIO:
        raise ConfigError(
            f"an image of {height}x{width} pixels is {ratio:.0f} times as long as it is wide; "
            f"models take up to {MAX_ASPECT_RATIO:.0f} times: crop it"
        )
    rounded = [max(1, round(side / factor)) * factor for side in size]
    if rounded[0] * rounded[1] > max_pixels:
        scale = math.sqrt(max_pixels / (height * width))
        sides = [max(1, math.floor(side * scale / factor)) * factor for side in size]
    elif rounded[0] * rounded[1] < min_pixels:
        scale = math.sqrt(min_pixels / (height * width))
        sides = [max(1, math.ceil(side * scale / factor)) * factor for side in size]
    else:
        sides = rounded
    return sides[0], sides[1]


def stretches_to_square(side: int, max_pixels: int | None) -> bool:
    """Return whether an image is stretched to the model's square.

    The image on which objects are located is shown as large as the square; frames with a
    smaller budget are context and keep their shape.
    """
    return max_pixels is None or max_pixels >= side * side


def resized(image: Frame, size: Size) -> Image:
    """Return an image at a size, resampled bicubically with antialiasing."""
    from PIL import Image

    picture = Image.fromarray(image)
    height, width = size
    if picture.size == (width, height):
        return picture
    return picture.resize((width, height), Image.Resampling.BICUBIC)
