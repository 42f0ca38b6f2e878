"""Run-length encodings of foreign origin: checked before anything decodes them.

pycocotools trusts what it decodes. Here the runs are added up without making a mask, for
many encodings at once, so that a whole benchmark is checked while it is opened.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from videoseg.errors import EvaluationError, VideosegError
from videoseg.types import Rle, Size

__all__ = ["MAX_PIXELS", "RunChecker", "checked_rle", "rle_of", "rle_problem"]

MAX_PIXELS = 2**28
"""Largest mask that is taken: 16384 x 16384."""

# Characters of one number: five bits each, so that seven hold any run of MAX_PIXELS.
_MAX_DIGITS = 7
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
    """Return a checked encoding as a mask; None stays None.

    Args:
        value: As in ``rle_problem``, and found right by it and a ``RunChecker``.
        size: (height, width).
    """
    if value is None:
        return None
    if isinstance(value, list):
        parts = [rle for part in value if (rle := rle_of(part, size)) is not None]
        if len(parts) < 2:
            return parts[0] if parts else None
        from pycocotools import mask as coco

        merged = coco.merge([part.to_coco() for part in parts])
        return Rle(size, merged["counts"].decode("ascii"))
    counts = value["counts"]
    if isinstance(counts, list):
        return Rle.from_coco(value)
    return Rle((size[0], size[1]), counts.decode("ascii") if isinstance(counts, bytes) else counts)


def checked_rle(value: Any, size: Size, *, where: str) -> Rle | None:
    """Check one encoding, form and runs, and return it as a mask.

    Raises:
        EvaluationError: If it is not an encoding of this size.
    """
    problem = rle_problem(value, size)
    if problem is None:
        found: list[str] = []
        checker = RunChecker()
        checker.add(value, size, where)
        checker.finish(lambda _where, what: found.append(what))
        problem = found[0] if found else None
    if problem is not None:
        raise EvaluationError(f"{where}: {problem}; write the mask again")
    try:
        return rle_of(value, size)
    except (VideosegError, ValueError, TypeError) as error:
        raise EvaluationError(f"{where}: {error}; write the mask again") from error


class RunChecker:
    """Checks that runs are numbers, not negative, and fill their masks exactly.

    Encodings are collected and checked together; memory is bounded whatever their number.
    """

    def __init__(self) -> None:
        self._texts: list[bytes] = []
        self._pixels: list[int] = []
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
        text = counts if isinstance(counts, bytes) else counts.encode("utf-8", "replace")
        self._texts.append(text)
        self._pixels.append(size[0] * size[1])
        self._places.append(place)
        self._characters += len(text)
        if self._characters >= _BATCH_CHARACTERS:
            self._run()

    def finish(self, report: Callable[[Any, str], None]) -> None:
        """Check what is left and call ``report(place, what)`` for every bad encoding."""
        self._run()
        for place, what in self._found:
            report(place, what)
        self._found.clear()

    def _check_list(self, counts: list[Any], size: Size, place: Any) -> None:
        if not all(type(run) is int and run >= 0 for run in counts):
            self._found.append((place, "the runs of an RLE must be whole numbers from 0"))
        elif sum(counts) != size[0] * size[1]:
            self._found.append((place, _sum_text(sum(counts), size[0] * size[1])))

    def _run(self) -> None:
        if self._texts:
            totals = run_totals(self._texts)
            for index in np.flatnonzero(totals != np.asarray(self._pixels)):
                what = (
                    "'counts' of an RLE is not a compressed run-length encoding"
                    if totals[index] < 0
                    else _sum_text(int(totals[index]), self._pixels[index])
                )
                self._found.append((self._places[index], what))
        self._texts, self._pixels, self._places, self._characters = [], [], [], 0


def run_totals(texts: Sequence[bytes]) -> npt.NDArray[np.int64]:
    """Return the pixels that each compressed encoding covers; -1 if it is malformed.

    The format is COCO's: every number is written in groups of five bits from the lowest, as
    the character 48 + bits, plus 32 if another group follows; the highest group's bit 16 is
    the sign; from the fourth on, numbers are differences to the number two before.
    """
    lengths = np.fromiter((len(text) for text in texts), np.int64, len(texts))
    malformed = lengths == 0
    if malformed.all():
        return np.full(len(texts), -1, np.int64)
    data = np.frombuffer(b"".join(texts), np.uint8) - np.uint8(48)
    text_ends = np.cumsum(lengths)[~malformed] - 1
    follows = (data & 32) != 0
    for bad in (np.flatnonzero(data > 63), text_ends[follows[text_ends]]):
        malformed[np.searchsorted(np.cumsum(lengths), bad, side="right")] = True
    # A number never reaches into the next text, whatever the text says.
    follows[text_ends] = False
    ends = np.flatnonzero(~follows)
    starts = np.concatenate(([0], ends[:-1] + 1))
    digits = ends - starts + 1
    counts = np.zeros(len(texts), np.int64)
    counts[lengths > 0] = np.diff(np.searchsorted(ends, text_ends, side="right"), prepend=0)
    owner = np.repeat(np.arange(len(texts)), counts)
    malformed[owner[digits > _MAX_DIGITS]] = True

    numbers = (data[starts] & 31).astype(np.int64)
    for digit in range(1, min(int(digits.max()), _MAX_DIGITS)):
        longer = np.flatnonzero(digits > digit)
        numbers[longer] += (data[starts[longer] + digit] & 31).astype(np.int64) << (5 * digit)
    negative = np.flatnonzero((data[ends] & 16) != 0)
    numbers[negative] -= np.int64(1) << (5 * np.minimum(digits[negative], _MAX_DIGITS))
    runs = _runs(numbers, owner, counts)
    malformed[owner[(runs < 0) | (runs > MAX_PIXELS)]] = True
    weights = np.clip(runs, 0, MAX_PIXELS)
    totals = np.bincount(owner, weights=weights, minlength=len(texts)).astype(np.int64)
    totals[malformed] = -1
    return totals


def _runs(
    numbers: npt.NDArray[np.int64], owner: npt.NDArray[np.int64], counts: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Undo the differences: numbers 1, 3, 5, ... and 2, 4, 6, ... of a text each add up."""
    firsts = np.cumsum(counts) - counts
    rank = np.arange(len(numbers)) - firsts[owner]
    runs = numbers.copy()
    odd = (rank & 1) == 1
    for chain in (np.flatnonzero(odd), np.flatnonzero(~odd & (rank > 0))):
        if chain.size:
            summed = np.cumsum(numbers[chain])
            heads = np.flatnonzero(rank[chain] <= 2)
            before = summed[heads] - numbers[chain[heads]]
            runs[chain] = summed - np.repeat(before, np.diff(np.append(heads, chain.size)))
    return runs


def _sum_text(total: int, pixels: int) -> str:
    return f"the runs of an RLE must add up to {pixels} pixels, got {total}"
