"""Masks as PNG files."""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt

from videoseg.masks import DAVIS_PALETTE
from videoseg.types import BoolArray

__all__ = ["index_png", "mask_png", "write_mask"]


def write_mask(path: Path, mask: BoolArray) -> None:
    """Write a mask, shape (H, W), as an 8-bit gray PNG with the values 0 and 255."""
    path.write_bytes(mask_png(mask) if mask.any() else _empty_png(mask.shape))


def mask_png(mask: BoolArray) -> bytes:
    """Return a mask of shape (H, W) as an 8-bit gray PNG with the values 0 and 255."""
    import cv2

    # OpenCV looks for runs, of which masks have long ones, behind one filter of the format.
    # Pillow tries every filter on every row, which takes twice as long.
    _, content = cv2.imencode(".png", mask * np.uint8(255))
    return content.tobytes()


@lru_cache(maxsize=4)
def _empty_png(shape: tuple[int, ...]) -> bytes:
    # Most frames of a long video do not show the object.
    return mask_png(np.zeros(shape, dtype=bool))


def index_png(picture: npt.NDArray[np.uint8]) -> bytes:
    """Return a picture of object ids, shape (H, W), as a PNG with the palette of DAVIS."""
    from PIL.Image import fromarray

    image = fromarray(picture)
    image.putpalette([channel for color in DAVIS_PALETTE for channel in color])
    buffer = BytesIO()
    # Masks have long runs, so a fast level compresses them well enough.
    image.save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()
