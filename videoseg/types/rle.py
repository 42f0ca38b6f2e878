"""``Rle``: a mask as a COCO run-length encoding."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from videoseg.errors import ConfigError, ShapeError
from videoseg.text import shorten
from videoseg.types.arrays import BoolArray, Size, as_mask
from videoseg.types.geometry import Box
from videoseg.types.runs import (
    MAX_PIXELS,
    Changes,
    Runs,
    changes_of_runs,
    count_problem,
    decode_changes,
    listed_runs,
    read_runs,
    write_runs,
)
from videoseg.types.scalars import whole_numbers

__all__ = ["Rle", "changes_of_rles", "checked_size"]

# A last digit that only repeats the sign of the one before.
_PADDED = re.compile("[P-_]0|[`-o]O")


@dataclass(frozen=True, slots=True)
class Rle:
    """One mask as a compressed COCO run-length encoding (column-major, as pycocotools has it).

    The runs are checked when an ``Rle`` is made: they are those of a mask of this size. Empty runs
    and padded digits, which other programs may write, are removed, so that two encodings are
    equal if their masks are.

    Args:
        size: (height, width) of the mask, each at least 1, at most 2**28 pixels.
        counts: The compressed runs, ASCII text or bytes.

    Raises:
        ConfigError: If the size is not valid, or the runs are malformed or do not add up to its
            number of pixels.

    Example:
        >>> import numpy as np
        >>> mask = np.zeros((4, 5), bool)
        >>> mask[1:3, 2:4] = True
        >>> Rle.encode(mask).area
        4
    """

    size: Size
    counts: str

    def __post_init__(self) -> None:
        size = checked_size(self.size, "'size' of an RLE")
        counts: Any = self.counts
        if not isinstance(counts, str | bytes):
            raise ConfigError(
                f"'counts' of an RLE must be compressed runs as text, got {shorten(counts)}; "
                "give a list of runs to Rle.from_coco"
            )
        runs = _checked_runs(counts, size)
        if isinstance(counts, bytes):
            counts = counts.decode("ascii")
        lengths = runs.lengths
        if _PADDED.search(counts) or (len(lengths) > 1 and int(lengths[1:].min()) == 0):
            # pycocotools gets boxes and unions of such texts wrong.
            counts = _compressed(lengths, size)
        object.__setattr__(self, "size", size)
        object.__setattr__(self, "counts", counts)

    @staticmethod
    def encode(mask: BoolArray) -> Rle:
        """Encode a mask.

        Args:
            mask: Shape (H, W); bool, or numbers that are 0 and 1, or 0 and 255.

        Raises:
            ShapeError: If the mask is not two-dimensional or has no pixel.
            ConfigError: If it holds other values: logits, probabilities, several object ids.
        """
        from pycocotools import mask as coco

        mask = as_mask(mask)
        size = checked_size(mask.shape, "the size of a mask")
        encoded = coco.encode(np.asfortranarray(mask).view(np.uint8))
        return _unchecked(size, str(encoded["counts"], "ascii"))

    @staticmethod
    def empty(size: Size) -> Rle:
        """Return the mask with no pixel set.

        Raises:
            ConfigError: If the size cannot be that of a mask.
        """
        return Rle.encode(np.zeros(checked_size(size, "the size of a mask"), dtype=bool))

    @staticmethod
    def from_coco(data: Mapping[str, Any]) -> Rle:
        """Read a COCO RLE mapping with ``size`` and ``counts``.

        Args:
            data: ``size`` is (height, width); ``counts`` the compressed runs as text or bytes,
                or the runs themselves: a list, a tuple or an array of whole numbers.

        Raises:
            ConfigError: If the mapping is not a COCO RLE.
        """
        try:
            size, counts = data["size"], data["counts"]
        except (KeyError, TypeError, IndexError) as error:
            raise ConfigError("a COCO RLE needs 'size': [height, width] and 'counts'") from error
        if isinstance(counts, bytearray | memoryview):
            counts = bytes(counts)
        if isinstance(counts, str | bytes):
            return Rle(size, counts)  # type: ignore[arg-type]
        size = checked_size(size, "'size' of an RLE")
        lengths = listed_runs(counts)
        if (problem := count_problem(int(lengths.sum()), size)) is not None:
            raise ConfigError(problem)
        return _unchecked(size, _compressed(lengths, size))

    def to_coco(self) -> dict[str, Any]:
        """Return the COCO mapping, ready for JSON."""
        return {"size": [self.size[0], self.size[1]], "counts": self.counts}

    def decode(self) -> BoolArray:
        """Return the mask, shape (H, W), dtype bool."""
        return decode_changes(
            changes_of_runs(_checked_runs(self.counts, self.size).lengths), self.size
        )

    @property
    def area(self) -> int:
        """Number of pixels set."""
        from pycocotools import mask as coco

        return int(coco.area(self.to_coco()))

    @property
    def box(self) -> Box | None:
        """The tightest box around the mask, or None if it is empty."""
        from pycocotools import mask as coco

        x, y, width, height = (float(value) for value in coco.toBbox(self.to_coco()))
        return Box(x, y, x + width, y + height) if width > 0 and height > 0 else None


def changes_of_rles(rles: Sequence[Rle | None], size: Size) -> list[Changes]:
    """Return where each of some masks changes, without decoding the masks.

    All are read at once, which is several times faster than one by one.

    Args:
        rles: The masks; None stands for an empty one.
        size: The (height, width) they must have.

    Returns:
        For each mask the pixels, counted column by column from the top left, at which it
        changes: it begins empty, is set from the first of them on, empty from the second on,
        and so on.

    Raises:
        ShapeError: If a mask has another size.
        ConfigError: If the runs of one are not those of a mask of this size. No ``Rle`` is made
            with such runs, but one may be unpickled.
    """
    present = [rle for rle in rles if rle is not None]
    for rle in present:
        if tuple(rle.size) != tuple(size):
            raise ShapeError("a mask", actual=tuple(rle.size), expected=str(tuple(size)))
    runs = read_runs([rle.counts for rle in present])
    for total in runs.totals().tolist():
        if (problem := count_problem(total, size)) is not None:
            raise ConfigError(f"{problem}; encode the mask again at the size of the frame")
    read = iter(range(len(present)))
    nowhere: Changes = np.zeros(0, dtype=np.int64)
    return [nowhere if rle is None else changes_of_runs(runs.of(next(read))) for rle in rles]


def checked_size(size: Any, what: str) -> Size:
    """Return (height, width) of a mask as two ``int``.

    Raises:
        ConfigError: If they are not two numbers of at least 1, or too many pixels.
    """
    numbers = size
    if not (type(size) is tuple and len(size) == 2 and type(size[0]) is type(size[1]) is int):
        try:
            numbers = whole_numbers(size, what, least=1)
        except ConfigError:
            numbers = ()
    if len(numbers) != 2 or min(numbers) < 1:
        raise ConfigError(
            f"{what} must be (height, width), whole numbers >= 1, got {shorten(size)}"
        )
    if numbers[0] * numbers[1] > MAX_PIXELS:
        raise ConfigError(
            f"{what} is {shorten(size)}, which is more than the {MAX_PIXELS} pixels allowed"
        )
    return (numbers[0], numbers[1])


def _checked_runs(counts: str | bytes, size: Size) -> Runs:
    runs = read_runs([counts])
    total = -1 if runs.malformed[0] else int(runs.lengths.sum())
    if (problem := count_problem(total, size)) is not None:
        raise ConfigError(problem)
    return runs


def _compressed(lengths: Changes, size: Size) -> str:
    """Return the text of valid runs, without the empty ones."""
    changes = changes_of_runs(lengths)
    return write_runs(np.diff(changes, prepend=0, append=size[0] * size[1]), size)


def _unchecked(size: Size, counts: str) -> Rle:
    """Return an encoding that was made here and needs no check."""
    rle = object.__new__(Rle)
    object.__setattr__(rle, "size", size)
    object.__setattr__(rle, "counts", counts)
    return rle
