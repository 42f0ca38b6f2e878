"""Name tags on frames: small rounded labels in the object's color."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TypeAlias

import numpy as np

from videoseg.masks.colors import Color, readable_text_color
from videoseg.types.arrays import FloatArray, Frame, Size

__all__ = ["Area", "draw_tag", "has_room_for_tags", "text_height_for"]

Area: TypeAlias = tuple[int, int, int, int]
"""(x1, y1, x2, y2) in pixels, half-open."""

_MAX_CHARACTERS = 28


def text_height_for(size: Size) -> int:
    """Return the font size in pixels that suits a frame of this (height, width)."""
    return int(min(max(min(size) / 24, 11), 44))


def has_room_for_tags(size: Size) -> bool:
    """Return whether a frame of this (height, width) is large enough to carry text."""
    return min(size) >= 100


def draw_tag(
    drawn: Frame,
    text: str,
    anchor: tuple[int, int],
    color: Color,
    object_id: int,
    *,
    avoid: Sequence[Area] = (),
) -> Area:
    """Write a name tag just above a point, in place, inside the frame and off other tags.

    Args:
        drawn: RGB uint8, shape (H, W, 3); drawn upon.
        text: The name. One with letters that the font lacks is replaced by the object's id.
        anchor: (x, y) the tag belongs to.
        color: Background of the tag.
        object_id: The object.
        avoid: Areas of the tags already drawn.

    Returns:
        The area of the new tag.
    """
    height, width = drawn.shape[:2]
    alpha = _text_alpha(_printable(text, object_id), text_height_for((height, width)))
    padding_x, padding_y = alpha.shape[0] // 3, max(2, alpha.shape[0] // 8)
    tag_height = min(alpha.shape[0] + 2 * padding_y, height)
    tag_width = min(alpha.shape[1] + 2 * padding_x, width)
    gap = max(3, tag_height // 4)
    x = min(max(anchor[0] - tag_width // 2, 0), width - tag_width)
    y = min(max(anchor[1] - tag_height - gap, 0), height - tag_height)
    area = _free_area((x, y, x + tag_width, y + tag_height), height, avoid)
    x, y = area[:2]
    pixels = drawn[y : y + tag_height, x : x + tag_width]
    shape = _rounded(tag_height, tag_width)[..., None]
    pixels[:] = np.rint(pixels + shape * (np.array(color) - pixels)).astype(np.uint8)
    part = pixels[padding_y:, padding_x:][: alpha.shape[0], : alpha.shape[1]]
    ink = alpha[: part.shape[0], : part.shape[1], None]
    part[:] = np.rint(part + ink * (np.array(readable_text_color(color)) - part)).astype(np.uint8)
    return area


def _printable(text: str, object_id: int) -> str:
    text = " ".join(text.split())
    # The font that comes with Pillow has the letters of Latin-1 and no others.
    if not text or any(ord(letter) > 255 or not letter.isprintable() for letter in text):
        return f"object {object_id}"
    return text if len(text) <= _MAX_CHARACTERS else text[: _MAX_CHARACTERS - 3].rstrip() + "..."


def _free_area(area: Area, frame_height: int, avoid: Sequence[Area]) -> Area:
    """Move an area down, or else up, until it touches none of the others."""
    height = area[3] - area[1]
    steps = [0] + [
        sign * step for step in range(2, frame_height, max(2, height // 4)) for sign in (1, -1)
    ]
    for step in steps:
        y = area[1] + step
        moved = (area[0], y, area[2], y + height)
        if y >= 0 and y + height <= frame_height and not any(_meet(moved, a) for a in avoid):
            return moved
    return area


def _meet(first: Area, second: Area) -> bool:
    return (
        first[0] < second[2]
        and second[0] < first[2]
        and first[1] < second[3]
        and second[1] < first[3]
    )


@lru_cache(maxsize=256)
def _text_alpha(text: str, font_size: int) -> FloatArray:
    """Return how much ink each pixel holds, in [0, 1], shape (height, width)."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(font_size)
    left, _, right, _ = font.getbbox(text)
    # Ascender and descender of all letters, so that tags of one size line up.
    _, top, _, bottom = font.getbbox("Agjq")
    picture = Image.new("L", (max(1, int(right - left) + 1), int(bottom - top) + 1), 0)
    ImageDraw.Draw(picture).text((-left, -top), text, fill=255, font=font)
    ink: FloatArray = np.asarray(picture, np.float32) / 255
    return ink


@lru_cache(maxsize=256)
def _rounded(height: int, width: int) -> FloatArray:
    """Return the coverage of a rectangle with rounded corners, in [0, 1], shape (H, W)."""
    radius = height / 4
    y = np.abs(np.arange(height) + 0.5 - height / 2) - (height / 2 - radius)
    x = np.abs(np.arange(width) + 0.5 - width / 2) - (width / 2 - radius)
    distance = np.hypot(np.maximum(y, 0)[:, None], np.maximum(x, 0)[None]) - radius
    coverage: FloatArray = np.clip(0.5 - distance, 0, 1)
    return coverage
