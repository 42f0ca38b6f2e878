"""Runs of encoded masks, read without decoding the mask."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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


def changes_of(rles: Sequence[Rle | None], size: Size) -> list[Changes]:
    """Return where each of some masks changes; nowhere for None.

    Args:
        rles: Masks in COCO's compressed encoding: numbers of five bits a character, least
            significant first, and from the fourth on as differences to the last but one.
        size: The (height, width) they must have.

    Raises:
        ShapeError: If one has another size.
        EvaluationError: If the runs of one are not those of a mask of this size.
    """
    present = [rle for rle in rles if rle is not None]
    for rle in present:
        if tuple(rle.size) != tuple(size):
            raise ShapeError("a mask", actual=tuple(rle.size), expected=str(tuple(size)))
    read = iter(_numbers([rle.counts for rle in present]))
    nowhere: Changes = np.zeros(0, dtype=np.int64)
    return [nowhere if rle is None else _changes(next(read), size) for rle in rles]


def _changes(numbers: Changes, size: Size) -> Changes:
    """Return where a mask changes, from its numbers, which are lost."""
    num_pixels = size[0] * size[1]
    for start in (1, 2):
        np.cumsum(numbers[start::2], out=numbers[start::2])
    least = int(numbers[1:].min()) if len(numbers) > 1 else 1
    ends = np.cumsum(numbers)
    total = int(ends[-1]) if len(ends) else 0
    if total != num_pixels or least < 0 or (len(numbers) and numbers[0] < 0):
        raise EvaluationError(
            f"the runs of a mask must add up to the {num_pixels} pixels of its "
            f"{size[0]}x{size[1]} frame; encode it anew at the size of the frame"
        )
    if least > 0:
        # The last run ends where the frame does, which is no change.
        return ends[:-1]
    # Two changes of one pixel are none.
    pixels, times = np.unique(ends[ends < num_pixels], return_counts=True)
    odd: Changes = pixels[times % 2 == 1]
    return odd


def _numbers(counts: Sequence[str]) -> Iterator[Changes]:
    """Yield the numbers of each text; all are read at once, which is what saves time."""
    joined = "".join(counts)
    codes = np.frombuffer(joined.encode("latin-1", "replace"), dtype=np.uint8) - np.uint8(48)
    last = np.flatnonzero(codes < 32)
    stops = np.cumsum([len(text) for text in counts])
    bounds = np.searchsorted(last, stops - 1, side="right")
    first = np.empty_like(last)
    first[:1], first[1:] = 0, last[:-1] + 1
    extra = last - first
    complete = not len(codes) or (len(last) and np.array_equal(last[bounds - 1], stops - 1))
    if not complete or int(codes.max(initial=0)) >= 64 or extra.max(initial=0) >= _MOST_CHARACTERS:
        raise EvaluationError("the counts of a mask are not a compressed COCO RLE")
    numbers = (codes[first] & 31).astype(np.int64)
    place, longer = 1, np.flatnonzero(extra)
    while len(longer):
        digits = (codes[first[longer] + place] & 31).astype(np.int64)
        numbers[longer] |= digits << (5 * place)
        place += 1
        longer = longer[extra[longer] >= place]
    negative = np.flatnonzero(codes[last] & 16)
    numbers[negative] -= np.int64(1) << (5 * (extra[negative] + 1))
    start = 0
    for stop in bounds.tolist():
        yield numbers[start:stop]
        start = stop
