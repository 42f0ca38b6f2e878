"""Runs of encoded masks, read without decoding the mask."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from videoseg.errors import EvaluationError, ShapeError
from videoseg.types import Rle, Size

__all__ = ["Changes", "changes_of"]

Changes: TypeAlias = npt.NDArray[np.int64]
"""Where a mask changes, column by column from the top left: it begins empty, is set from the
first of these pixels on, empty again from the second, and so on."""

_MOST_CHARACTERS = 7  # A number of seven times five bits counts the pixels of any frame.


def changes_of(rle: Rle | None, size: Size) -> Changes:
    """Return where a mask changes; nowhere for None.

    Args:
        rle: The mask in COCO's compressed encoding: numbers of five bits a character, least
            significant first, and from the fourth on as differences to the last but one.
        size: The (height, width) it must have.

    Raises:
        ShapeError: If it has another size.
        EvaluationError: If its runs are not those of a mask of this size.
    """
    if rle is None:
        return np.zeros(0, dtype=np.int64)
    if tuple(rle.size) != tuple(size):
        raise ShapeError("a mask", actual=tuple(rle.size), expected=str(tuple(size)))
    lengths = _run_lengths(rle.counts)
    ends = np.cumsum(lengths)
    num_pixels = size[0] * size[1]
    if (int(ends[-1]) if len(ends) else 0) != num_pixels or (lengths < 0).any():
        raise EvaluationError(
            f"the runs of a mask must add up to the {num_pixels} pixels of its "
            f"{size[0]}x{size[1]} frame; encode it anew at the size of the frame"
        )
    changes: Changes = ends[ends < num_pixels]
    if (lengths[1:] == 0).any():
        # Two changes of one pixel are none.
        pixels, times = np.unique(changes, return_counts=True)
        changes = pixels[times % 2 == 1]
    return changes


def _run_lengths(counts: str) -> Changes:
    codes = np.frombuffer(counts.encode("latin-1", "replace"), dtype=np.uint8) - np.uint8(48)
    last = np.flatnonzero(codes < 32)
    first = np.concatenate([[0], last[:-1] + 1]) if len(last) else last
    extra = last - first
    too_long = len(extra) and int(extra.max()) >= _MOST_CHARACTERS
    if too_long or (codes >= 64).any() or len(codes) != (last[-1] + 1 if len(last) else 0):
        raise EvaluationError("the counts of a mask are not a compressed COCO RLE")
    lengths: Changes = (codes[first] & 31).astype(np.int64)
    place, longer = 1, np.flatnonzero(extra)
    while len(longer):
        digits = (codes[first[longer] + place] & 31).astype(np.int64)
        lengths[longer] |= digits << (5 * place)
        place += 1
        longer = longer[extra[longer] >= place]
    negative = np.flatnonzero(codes[last] & 16)
    lengths[negative] -= np.int64(1) << (5 * (extra[negative] + 1))
    for start in (1, 2):
        np.cumsum(lengths[start::2], out=lengths[start::2])
    return lengths
