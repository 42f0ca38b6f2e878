"""Read and write COCO's compressed run-length encodings (RLE), without trusting them.

This is the only code that reads the runs of an encoded mask, for results, benchmarks, predictions
and metrics; ``Rle`` is the mask that is made of them.

The text holds the lengths of runs that are alternately empty and set, column by column from the
top left, empty first. Each number is written in groups of five bits, lowest first, as the
character 48 + bits, plus 32 if another group follows; bit 16 of the highest group is the sign.
From the fourth number on, the difference to the number two before is written.

Many texts are read at once, since a benchmark has a million of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from videoseg.errors import ConfigError

__all__ = [
    "MAX_PIXELS",
    "Changes",
    "RunChecker",
    "Runs",
    "changes_of_runs",
    "count_problem",
    "decode_changes",
    "listed_runs",
    "read_runs",
    "write_runs",
]

MAX_PIXELS = 2**28
"""Largest mask that is accepted, in pixels: 16384 x 16384."""

Changes: TypeAlias = npt.NDArray[np.int64]
"""The pixels at which a mask changes, counted column by column from the top left: the mask begins
empty, is set from the first of these pixels on, empty again from the second, and so on."""

# Arrays of a batch fit into a processor's cache.
_BATCH_CHARACTERS = 2**17

# Six hold every run of MAX_PIXELS; one more is read, for texts that pad their numbers.
_MAX_DIGITS = 7


class Runs(NamedTuple):
    """The runs of several texts.

    Args:
        lengths: All runs, one text after another; meaningless where a text is malformed.
        bounds: Where each text's runs begin in ``lengths``, and where the last ends.
        malformed: For each text, whether it is not an encoding.
    """

    lengths: npt.NDArray[np.int64]
    bounds: npt.NDArray[np.int64]
    malformed: npt.NDArray[np.bool_]

    def of(self, index: int) -> npt.NDArray[np.int64]:
        """Return the runs of one text."""
        return self.lengths[self.bounds[index] : self.bounds[index + 1]]

    def totals(self) -> npt.NDArray[np.int64]:
        """Return the number of pixels that each text covers; -1 if it is malformed."""
        # An array as long as the runs and one more, so that a text without runs adds nothing.
        summed = np.zeros(len(self.lengths) + 1, np.int64)
        np.cumsum(np.clip(self.lengths, 0, MAX_PIXELS), out=summed[1:])
        return np.where(self.malformed, -1, np.diff(summed[self.bounds]))


def read_runs(texts: Sequence[str | bytes]) -> Runs:
    """Read compressed runs of untrusted texts, without decoding the masks."""
    # Half a surrogate pair becomes bytes as well; all bytes outside ASCII are refused.
    encoded = [t if isinstance(t, bytes) else t.encode("utf-8", "surrogatepass") for t in texts]
    sizes = np.fromiter(map(len, encoded), np.int64, len(encoded))
    text_stops = np.cumsum(sizes)
    malformed = sizes == 0
    data = np.frombuffer(b"".join(encoded), np.uint8) - np.uint8(48)
    if not data.size:
        return Runs(np.zeros(0, np.int64), np.zeros(len(texts) + 1, np.int64), malformed)
    last = text_stops[~malformed] - 1
    follows = (data & 32) != 0
    cut = last[follows[last]]
    if cut.size or data.max() > 63:
        for bad in (cut, np.flatnonzero(data > 63)):
            malformed[np.searchsorted(text_stops, bad, side="right")] = True
        # A number never reaches into the next text, whatever the text says.
        follows[last] = False
    ends = np.flatnonzero(~follows)
    bounds = np.zeros(len(texts) + 1, np.int64)
    bounds[1:] = np.searchsorted(ends, text_stops)
    starts = np.empty_like(ends)
    starts[0], starts[1:] = 0, ends[:-1] + 1
    digits = ends - starts + 1
    longest = int(digits.max())
    if longest > _MAX_DIGITS:
        malformed[_texts_of(bounds, digits > _MAX_DIGITS)] = True

    places = np.arange(len(data)) - np.repeat(starts, digits)
    if longest > _MAX_DIGITS:
        np.minimum(places, _MAX_DIGITS, out=places)
    numbers = np.add.reduceat((data & 31).astype(np.int64) << (5 * places), starts)
    negative = np.flatnonzero(data[ends] & 16)
    numbers[negative] -= np.int64(1) << (5 * np.minimum(digits[negative], _MAX_DIGITS))
    lengths = _undo_differences(numbers, bounds)
    if lengths.min() < 0 or lengths.max() > MAX_PIXELS:
        malformed[_texts_of(bounds, (lengths < 0) | (lengths > MAX_PIXELS))] = True
    return Runs(lengths, bounds, malformed)


class RunChecker:
    """Checks that the runs of many encodings fill their masks exactly.

    Encodings are checked in batches, so memory does not grow with their number.
    """

    def __init__(self) -> None:
        # (text, size, place) of each encoding of this batch.
        self._batch: list[tuple[str | bytes, tuple[int, int], Any]] = []
        self._characters = 0
        self._found: list[tuple[Any, str]] = []

    def add(self, value: Any, size: tuple[int, int], place: Any) -> None:
        """Add one encoding.

        Args:
            value: None, a COCO RLE mapping, or a list of them; its form has been checked.
            size: (height, width) of the mask.
            place: Passed to ``report`` of ``finish`` if the runs are wrong.
        """
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
        self._batch.append((counts, size, place))
        self._characters += len(counts)
        if self._characters >= _BATCH_CHARACTERS:
            self._run()

    def finish(self, report: Callable[[Any, str], None]) -> None:
        """Check the last batch and call ``report(place, problem)`` for each bad encoding."""
        self._run()
        for place, what in self._found:
            report(place, what)
        self._found.clear()

    def _check_list(self, counts: list[Any], size: tuple[int, int], place: Any) -> None:
        try:
            problem = count_problem(int(listed_runs(counts).sum()), size)
        except ConfigError as error:
            problem = str(error)
        if problem is not None:
            self._found.append((place, problem))

    def _run(self) -> None:
        totals = read_runs([text for text, _, _ in self._batch]).totals()
        for total, (_, size, place) in zip(totals.tolist(), self._batch, strict=True):
            if (problem := count_problem(total, size)) is not None:
                self._found.append((place, problem))
        self._batch, self._characters = [], 0


def changes_of_runs(lengths: npt.NDArray[np.int64]) -> Changes:
    """Return where a mask changes, given runs that are known to be valid."""
    ends = np.cumsum(lengths)
    if len(lengths) < 2 or int(lengths[1:].min()) > 0:
        # The last run ends at the end of the frame, which is not a change.
        return ends[:-1]
    # Two changes at the same pixel cancel out.
    pixels, times = np.unique(ends[ends < ends[-1]], return_counts=True)
    odd: Changes = pixels[times % 2 == 1]
    return odd


def decode_changes(changes: Changes, size: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Return the mask that changes at these pixels, shape (H, W), dtype bool."""
    height, width = size
    mask = np.zeros(size, np.bool_)
    if not len(changes):
        return mask
    # Only the columns from the first to the last that is set are written.
    left = int(changes[0]) // height
    # A mask that changes an odd number of times is set up to the last pixel.
    end = height * width if len(changes) % 2 else int(changes[-1])
    right = (end - 1) // height + 1
    columns = np.zeros((right - left) * height, np.bool_)
    starts, stops = changes[0::2] - left * height, changes[1::2] - left * height
    for start, stop in itertools.zip_longest(starts.tolist(), stops.tolist()):
        columns[start:stop] = True
    mask[:, left:right] = columns.reshape(-1, height).T
    return mask


def write_runs(lengths: npt.NDArray[np.int64], size: tuple[int, int]) -> str:
    """Return the compressed text of runs that are known to be valid."""
    from pycocotools import mask as coco

    height, width = size
    encoded = coco.frPyObjects(
        {"size": [height, width], "counts": lengths.tolist()}, height, width
    )
    return str(encoded["counts"], "ascii")


def listed_runs(counts: Any) -> npt.NDArray[np.int64]:
    """Return uncompressed runs (a list, a tuple or an array of whole numbers) as an array.

    Raises:
        ConfigError: If they are not whole numbers from 0.
    """
    try:
        array = np.asarray(counts)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        array = np.asarray(None)
    if array.shape == (0,):
        return np.zeros(0, np.int64)
    if array.dtype == object and all(type(run) is int for run in array.flat):
        # Python's integers are unbounded.
        array = np.asarray([max(-1, min(run, MAX_PIXELS + 1)) for run in array.flat])
    if array.ndim != 1 or array.dtype.kind not in "iu" or int(array.min()) < 0:
        raise ConfigError("the runs of an RLE must be whole numbers from 0")
    # Clipped to one pixel more than a mask can have: still wrong, and sums do not overflow.
    most = min(MAX_PIXELS + 1, int(np.iinfo(array.dtype).max))
    lengths: npt.NDArray[np.int64] = np.minimum(array, most).astype(np.int64)
    return lengths


def count_problem(total: int, size: tuple[int, int]) -> str | None:
    """Return what is wrong with runs that cover ``total`` pixels (-1: malformed), or None."""
    if total < 0:
        return "'counts' of an RLE is not a compressed run-length encoding"
    pixels = size[0] * size[1]
    if total != pixels:
        return f"the runs of an RLE must add up to {pixels} pixels, got {total}"
    return None


def _texts_of(
    bounds: npt.NDArray[np.int64], chosen: npt.NDArray[np.bool_]
) -> npt.NDArray[np.int64]:
    """Return the index of the text that each chosen run belongs to."""
    found: npt.NDArray[np.int64] = np.searchsorted(bounds, np.flatnonzero(chosen), side="right")
    return found - 1


def _undo_differences(
    numbers: npt.NDArray[np.int64], bounds: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Sum the numbers 1, 3, 5, ... and 2, 4, 6, ... of each text; number 0 stays as it is."""
    if len(bounds) == 2:
        for start in (1, 2):
            np.cumsum(numbers[start::2], out=numbers[start::2])
        return numbers
    runs = numbers
    counts = np.diff(bounds)
    rank = np.arange(len(numbers)) - np.repeat(bounds[:-1], counts)
    odd = (rank & 1) == 1
    for chain in (np.flatnonzero(odd), np.flatnonzero(~odd & (rank > 0))):
        if chain.size:
            own = numbers[chain]
            summed = np.cumsum(own)
            heads = np.flatnonzero(rank[chain] <= 2)
            before = summed[heads] - own[heads]
            runs[chain] = summed - np.repeat(before, np.diff(np.append(heads, chain.size)))
    return runs
