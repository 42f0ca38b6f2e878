"""Images of messages on their way into the vision encoder."""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from videoseg_vlm import fit_size, resize_image

from videoseg import ConfigError
from videoseg.chat_log import pixels_digest
from videoseg.types import ImagePart, Size
from videoseg_o3.model.vision_cache import PromptImage

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["ImageReader", "Preprocessing", "limit_size", "round_size"]

Preprocessing: TypeAlias = Literal["released", "direct"]

# The official evaluation (evaluation/dataset/refVOS_COT_v2.py) counts in squares of 28 pixels;
# its package qwen-vl-utils 0.0.14 rounds to them, for Qwen3-VL as well.
_SQUARE = 28
_LEAST_PIXELS = 4 * _SQUARE * _SQUARE
_MOST_PIXELS = 16_384 * _SQUARE * _SQUARE
_LONGEST_RATIO = 200

# Digests of earlier images, so that they need not be resized again to be recognized.
_REMEMBERED = 4096


class ImageReader:
    """Resizes images and cuts them into patches.

    Args:
        processor: The image processor of the model.
        preprocessing: ``released`` resizes up to three times, as the official evaluation does:
            to the budget (``limit_size``, bilinear), to multiples of 28 (``round_size``,
            bicubic), and then as the processor does, which has bounds of its own. ``direct``
            resizes once, to the multiples that the processor needs, and never shows an image
            larger than its budget.
        max_pixels: Upper bound on height x width for images with no lower one of their own.
    """

    def __init__(
        self,
        processor: Any,
        *,
        preprocessing: Preprocessing = "released",
        max_pixels: int | None = None,
    ) -> None:
        self._processor = processor
        self._preprocessing = preprocessing
        self._max_pixels = max_pixels
        self._known: dict[tuple[Any, ...], tuple[str, tuple[int, int, int]]] = {}

    @property
    def patch_size(self) -> int:
        """The side of a patch in pixels."""
        return int(self._processor.patch_size)

    def prepare(self, part: ImagePart) -> PromptImage:
        """Return an image as the vision encoder takes it.

        Raises:
            ConfigError: If it is more than 200 times as long as it is wide.
        """
        bounds = [bound for bound in (part.max_pixels, self._max_pixels) if bound]
        budget = min(bounds, default=None)
        key = (pixels_digest(part.image), part.image.shape, budget)
        known = self._known.get(key)
        if known is None:
            patches, grid = self._process(part, budget)
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            known = self._known[key] = (_digest(patches, grid), grid)
            # Kept only as long as the conversation is in use.
            return self._image(known, lambda: patches)
        return self._image(known, lambda: self._process(part, budget)[0])

    def _image(self, known: tuple[str, tuple[int, int, int]], make_patches: Any) -> PromptImage:
        digest, grid = known
        num_tokens = grid[0] * grid[1] * grid[2] // int(self._processor.merge_size) ** 2
        return PromptImage(digest, grid, num_tokens, make_patches)

    def _process(self, part: ImagePart, budget: int | None) -> tuple[Tensor, tuple[int, int, int]]:
        """Return patches, shape (T * H * W, D), and the grid (T, H, W)."""
        released = self._preprocessing == "released"
        picture = (
            _resize_as_released(part, budget) if released else self._resize_directly(part, budget)
        )
        # The size is right already, also where it is below the processor's own bound.
        bounds = {} if released else {"size": {"shortest_edge": 1, "longest_edge": 2**31}}
        made = self._processor(images=[picture], return_tensors="pt", **bounds)
        time, height, width = made["image_grid_thw"][0].tolist()
        patches: Tensor = made["pixel_values"]
        return patches, (time, height, width)

    def _resize_directly(self, part: ImagePart, budget: int | None) -> Any:
        bounds = self._processor.size
        least, most = int(bounds["shortest_edge"]), int(bounds["longest_edge"])
        most = min(most, budget or most)
        factor = self.patch_size * int(self._processor.merge_size)
        shape: Size = (part.image.shape[0], part.image.shape[1])
        size = fit_size(shape, max_pixels=most, factor=factor)
        if size[0] * size[1] < least <= most:
            # Enlarged as by the processor, unless the rounding up exceeds the budget.
            larger = fit_size(shape, max_pixels=most, min_pixels=least, factor=factor)
            size = larger if larger[0] * larger[1] <= most else size
        return resize_image(part.image, size)


def _resize_as_released(part: ImagePart, budget: int | None) -> Any:
    from PIL import Image

    picture = Image.fromarray(part.image)
    height, width = limit_size((picture.height, picture.width), budget)
    if (height, width) != (picture.height, picture.width):
        picture = picture.resize((width, height), Image.Resampling.BILINEAR)
    height, width = round_size((height, width))
    return picture.resize((width, height), Image.Resampling.BICUBIC)


def limit_size(size: Size, max_pixels: int | None) -> Size:
    """Return the size within a budget at which the official evaluation shows a frame.

    Only frames outside of the bounds (4 squares of 28 pixels, and the budget) are resized: both
    sides by the same factor, rounded down, to at least 28. Source: ``_resize_image_to_limit``.

    Args:
        size: The frame's (height, width).
        max_pixels: The budget, as height x width; None for no upper bound.

    Example:
        >>> limit_size((480, 854), 32 * 28 * 28)
        (118, 211)
    """
    height, width = size
    least = _LEAST_PIXELS if max_pixels is None else min(_LEAST_PIXELS, max_pixels)
    if height * width < least:
        target = least
    elif max_pixels is not None and height * width > max_pixels:
        target = max_pixels
    else:
        return size
    ratio = (target / (height * width)) ** 0.5
    return max(_SQUARE, int(height * ratio)), max(_SQUARE, int(width * ratio))


def round_size(size: Size) -> Size:
    """Return the multiples of 28 nearest to a size; source: qwen-vl-utils 0.0.14, fetch_image.

    Raises:
        ConfigError: If one side is more than 200 times the other.

    Example:
        >>> round_size((118, 211))
        (112, 224)
    """
    height, width = size
    if max(size) > _LONGEST_RATIO * min(size):
        raise ConfigError(
            f"an image of {height}x{width} pixels is more than {_LONGEST_RATIO} times as long as "
            "it is wide; crop it"
        )
    rounded = [max(1, round(side / _SQUARE)) * _SQUARE for side in size]
    if rounded[0] * rounded[1] > _MOST_PIXELS:
        ratio = math.sqrt(height * width / _MOST_PIXELS)
        rounded = [math.floor(side / ratio / _SQUARE) * _SQUARE for side in size]
    elif rounded[0] * rounded[1] < _LEAST_PIXELS:
        ratio = math.sqrt(_LEAST_PIXELS / (height * width))
        rounded = [math.ceil(side * ratio / _SQUARE) * _SQUARE for side in size]
    return rounded[0], rounded[1]


def _digest(patches: Tensor, grid: tuple[int, int, int]) -> str:
    # Not sha256, which is several times slower on machines without an instruction for it.
    digest = hashlib.blake2b(repr(grid).encode(), digest_size=16)
    digest.update(np.ascontiguousarray(patches.numpy()).data)
    return digest.hexdigest()
