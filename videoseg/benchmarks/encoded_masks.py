"""Encoded masks of annotations and predictions: COCO RLEs, checked before they are used."""

from __future__ import annotations

from typing import Any

from videoseg.errors import EvaluationError, VideosegError
from videoseg.masks import union_of_rles
from videoseg.types import Rle, Size
from videoseg.types.runs import MAX_PIXELS

__all__ = ["checked_rle", "find_rle_problem", "parse_rle", "read_stated_size"]


def read_stated_size(value: Any) -> Size | None:
    """Return the (height, width) that an encoding states, unchecked; None if it states none."""
    size = value.get("size") if isinstance(value, dict) else None
    if isinstance(size, (list, tuple)) and len(size) == 2:
        height, width = size
        return (height, width) if type(height) is type(width) is int else None
    return None


def find_rle_problem(value: Any, size: Size) -> str | None:
    """Return what is wrong with the form of an encoding, or None. Runs are not checked.

    Args:
        value: None (not visible), a COCO RLE mapping, or a list of them (parts of one mask).
        size: The required (height, width).
    """
    if value is None:
        return None
    if isinstance(value, list):
        return next((p for part in value if (p := find_rle_problem(part, size))), None)
    if not isinstance(value, dict) or "counts" not in value or "size" not in value:
        return "a mask must be null or a COCO RLE with 'size' and 'counts'"
    if not isinstance(value["counts"], (str, bytes, list)):
        return "'counts' of an RLE must be text or a list of runs"
    found = read_stated_size(value)
    if found is None:
        return f"'size' of an RLE must be [height, width], got {str(value['size'])[:40]}"
    if found != tuple(size):
        return f"the RLE is {found[0]}x{found[1]} but the frame is {size[0]}x{size[1]}"
    if found[0] * found[1] > MAX_PIXELS:
        return f"an RLE of {found[0]}x{found[1]} is larger than the {MAX_PIXELS} pixels allowed"
    return None


def parse_rle(value: Any, size: Size) -> Rle | None:
    """Return an encoding as a mask; None stays None.

    Args:
        value: A value that ``find_rle_problem`` accepts.
        size: (height, width).

    Raises:
        ConfigError: If its runs do not fill a mask of this size.
    """
    if value is None:
        return None
    if isinstance(value, list):
        parts = [rle for part in value if (rle := parse_rle(part, size)) is not None]
        if len(parts) < 2:
            return parts[0] if parts else None
        return union_of_rles(parts, size=size)
    return Rle.from_coco(value)


def checked_rle(value: Any, size: Size, *, where: str) -> Rle | None:
    """Check form and runs of one encoding, and return it as a mask.

    Raises:
        EvaluationError: If it is not an encoding of a mask of this size.
    """
    if (problem := find_rle_problem(value, size)) is None:
        try:
            return parse_rle(value, size)
        except VideosegError as error:
            problem = str(error)
    raise EvaluationError(f"{where}: {problem}; write the mask again")
