"""Run-length encodings of benchmarks and predictions: their form, and many at once.

The runs are added up without making a mask, for many encodings at once, so that a whole
benchmark is checked while it is opened.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from videoseg.errors import EvaluationError, VideosegError
from videoseg.masks import union_of_rles
from videoseg.types import Rle, Size
from videoseg.types.runs import MAX_PIXELS, count_problem, listed_runs, read_runs

__all__ = ["MAX_PIXELS", "RunChecker", "checked_rle", "rle_of", "rle_problem"]

# Arrays of a batch fit into a processor's cache.
_BATCH_CHARACTERS = 2**17


def rle_problem(value: Any, size: Size) -> str | None:
    """Say what is wrong with the form of an encoding, or return None. Runs are not looked at.

    Args:
        value: None (not visible), a COCO RLE mapping, or a list of them (parts of one mask).
        size: (height, width) it must have.
    """
    if value is None:
        return None
    if isinstance(value, list):
        return next((p for part in value if (p := rle_problem(part, size))), None)
    if not isinstance(value, dict) or "counts" not in value or "size" not in value:
        return "a mask must be null or a COCO RLE with 'size' and 'counts'"
    if not isinstance(value["counts"], (str, bytes, list)):
        return "'counts' of an RLE must be text or a list of runs"
    found = value["size"]
    if not (
        isinstance(found, (list, tuple))
        and len(found) == 2
        and all(type(number) is int for number in found)
    ):
        return f"'size' of an RLE must be [height, width], got {str(found)[:40]}"
    if (found[0], found[1]) != (size[0], size[1]):
        return f"the RLE is {found[0]}x{found[1]} but the frame is {size[0]}x{size[1]}"
    if found[0] * found[1] > MAX_PIXELS:
        return f"an RLE of {found[0]}x{found[1]} is larger than the {MAX_PIXELS} pixels allowed"
    return None


def rle_of(value: Any, size: Size) -> Rle | None:
    """Return an encoding as a mask; None stays None.

    Args:
        value: As in ``rle_problem``, and found right by it.
        size: (height, width).

    Raises:
        ConfigError: If its runs are not those of a mask of this size.
    """
    if value is None:
        return None
    if isinstance(value, list):
        parts = [rle for part in value if (rle := rle_of(part, size)) is not None]
        if len(parts) < 2:
            return parts[0] if parts else None
        return union_of_rles(parts, size=size)
    return Rle.from_coco(value)


def checked_rle(value: Any, size: Size, *, where: str) -> Rle | None:
    """Check one encoding, form and runs, and return it as a mask.

    Raises:
        EvaluationError: If it is not an encoding of this size.
    """
    if (problem := rle_problem(value, size)) is None:
        try:
            return rle_of(value, size)
        except VideosegError as error:
            problem = str(error)
    raise EvaluationError(f"{where}: {problem}; write the mask again")


class RunChecker:
    """Checks that runs are numbers, not negative, and fill their masks exactly.

    Encodings are collected and checked together; memory is bounded whatever their number.
    """

    def __init__(self) -> None:
        self._texts: list[str | bytes] = []
        self._sizes: list[Size] = []
        self._places: list[Any] = []
        self._characters = 0
        self._found: list[tuple[Any, str]] = []

    def add(self, value: Any, size: Size, place: Any) -> None:
        """Take one encoding whose form has been checked; ``place`` is given back if it is bad."""
        if value is None:
            return
        if isinstance(value, list):
            for part in value:
                self.add(part, size, place)
            return
        counts = value["counts"]
        if isinstance(counts, list):
            self._check_list(counts, size, place)
            return
        self._texts.append(counts)
        self._sizes.append(size)
        self._places.append(place)
        self._characters += len(counts)
        if self._characters >= _BATCH_CHARACTERS:
            self._run()

    def finish(self, report: Callable[[Any, str], None]) -> None:
        """Check what is left and call ``report(place, what)`` for every bad encoding."""
        self._run()
        for place, what in self._found:
            report(place, what)
        self._found.clear()

    def _check_list(self, counts: list[Any], size: Size, place: Any) -> None:
        try:
            problem = count_problem(int(listed_runs(counts).sum()), size)
        except VideosegError as error:
            problem = str(error)
        if problem is not None:
            self._found.append((place, problem))

    def _run(self) -> None:
        if self._texts:
            totals = read_runs(self._texts).totals()
            pixels = np.asarray([height * width for height, width in self._sizes])
            for index in np.flatnonzero(totals != pixels).tolist():
                if (problem := count_problem(int(totals[index]), self._sizes[index])) is not None:
                    self._found.append((self._places[index], problem))
        self._texts, self._sizes, self._places, self._characters = [], [], [], 0
