"""Masks as pictures of foreign origin.

What counts as the object:

====================== =============================================================
picture                object
====================== =============================================================
black and white, grey  every value above 0, 8 or 16 bits (0/1 and 0/255 are the same)
palette                every index above 0, whatever the colors
RGB                    every pixel that is not black
grey or RGB with alpha every pixel that is neither black nor fully transparent
====================== =============================================================

A picture of object ids is grey or has a palette; its values are the ids and colors say nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from videoseg.benchmarks.rles import MAX_PIXELS
from videoseg.errors import EvaluationError
from videoseg.text import printable, shorten_text
from videoseg.types import BoolArray, IntArray, Size
from videoseg.video.picture_files import open_picture, picture_errors

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["VOID", "read_ids", "read_mask", "read_written_value"]

T = TypeVar("T")

_LOSSY = ("JPEG", "MPO")

VOID = 255
"""The id of pixels that belong to no object and are not judged, in 8-bit pictures of ids."""


def read_mask(
    source: Path | bytes, *, where: str, size: Size | None = None, fix: str = "write it again"
) -> BoolArray:
    """Read one object's mask, shape (H, W).

    Args:
        source: A file, or its content.
        where: What it is called in messages.
        size: (height, width) it must have; None for any.
        fix: What to do about a file that cannot be read.

    Raises:
        EvaluationError: If it is no picture, or has another size.
    """
    return _read(source, _foreground, where=where, size=size, fix=fix)


def read_ids(
    source: Path | bytes, *, where: str, size: Size | None = None, fix: str = "write it again"
) -> IntArray:
    """Read a picture of object ids, shape (H, W), with 0 for no object.

    Raises:
        EvaluationError: If it is no picture, has colors instead of ids, or another size.
    """
    return _read(source, lambda image: _ids(image, where), where=where, size=size, fix=fix)


def read_written_value(source: Path | bytes, *, where: str, fix: str = "write it again") -> int:
    """Read the highest value of a picture as grey with 8 bits; 0 for an empty mask.

    It is what the object's pixels are in the file, with which some released scripts calculate.

    Args:
        source: A file, or its content.
        where: What it is called in messages.
        fix: What to do about a file that cannot be read.

    Raises:
        EvaluationError: If it is no picture.
    """
    return _read(
        source,
        lambda image: int(np.asarray(image.convert("L")).max()),
        where=where,
        size=None,
        fix=fix,
    )


def _read(
    source: Path | bytes,
    take: Callable[[Image.Image], T],
    *,
    where: str,
    size: Size | None,
    fix: str,
) -> T:
    from PIL import UnidentifiedImageError

    try:
        with open_picture(source) as image:
            # Before a pixel is decoded: a small file can claim to be a huge picture.
            _check_size((image.height, image.width), size, where, fix)
            if image.format in _LOSSY:
                raise EvaluationError(
                    f"{where} is a JPEG, which changes values around every outline; write masks "
                    "as PNG"
                )
            return take(image)
    except EvaluationError:
        raise
    except FileNotFoundError as error:
        raise EvaluationError(f"{where} is missing; complete the folder") from error
    except picture_errors() as error:
        strerror = error.strerror if isinstance(error, OSError) else None
        reason = " ".join(str(strerror or error).split()) or type(error).__name__
        if isinstance(error, UnidentifiedImageError):
            # Its own message has the file again, or the address of a buffer.
            reason = "it is damaged, or of no known format"
        raise EvaluationError(
            f"{where} cannot be read as a picture ({shorten_text(printable(reason), 200)}); {fix}"
        ) from error


def _check_size(found: Size, size: Size | None, where: str, fix: str) -> None:
    if size is not None and found != size:
        raise EvaluationError(
            f"{where} is {found[0]}x{found[1]} (height x width) but the frame is "
            f"{size[0]}x{size[1]}, and masks are as large as their frames; {fix}"
        )
    if found[0] * found[1] > MAX_PIXELS:
        raise EvaluationError(
            f"{where} is {found[0]}x{found[1]}, more than the {MAX_PIXELS} pixels allowed"
        )


def _ids(image: Image.Image, where: str) -> IntArray:
    if image.mode in {"1", "L", "P"} or image.mode.startswith("I"):
        # 32 bits and a sign: what Pillow makes of 16-bit pictures differs with its version.
        ids: IntArray = np.asarray(image).astype(np.int32)
        return ids
    raise EvaluationError(
        f"{where} has colors (mode {image.mode}) where ids are expected; write a grey or "
        "palette PNG whose values are the object ids"
    )


def _foreground(image: Image.Image) -> BoolArray:
    values = np.asarray(image)
    seen: BoolArray = values != 0
    if values.ndim == 2:
        return seen
    if image.mode in {"LA", "RGBA", "La", "RGBa"}:
        return np.asarray(seen[..., :-1].any(axis=-1) & seen[..., -1])
    if image.mode != "RGB":
        seen = np.asarray(image.convert("RGB")) != 0
    return np.asarray(seen.any(axis=-1))
