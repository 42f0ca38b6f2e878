"""Masks kept as COCO run-length encodings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from videoseg.errors import ConfigError
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

__all__ = ["Rle", "checked_size"]

# A last digit that only repeats the sign of the one before.
_PADDED = re.compile("[P-_]0|[`-o]O")


@dataclass(frozen=True, slots=True)
class Rle:
    """One mask as a compressed COCO run-length encoding (column-major, as pycocotools has it).

    The runs are checked when an ``Rle`` is made, whoever wrote them: they are those of a mask
    of this size. Runs without a pixel and digits that say nothing, which other programs may
    leave, are taken out, so that two of them are equal if their masks are.

    Args:
        size: (height, width) of the mask, each at least 1, at most 2**28 pixels.
        counts: The compressed runs, ASCII text or bytes.

    Raises:
        ConfigError: If the size cannot be one, or the runs are malformed or do not add up to
            its pixels.

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
            counts = _written(lengths, size)
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
        return _unchecked(size, _written(lengths, size))

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

        return int(coco.area(self._raw()))

    @property
    def box(self) -> Box | None:
        """The tightest box around the mask, or None if it is empty."""
        from pycocotools import mask as coco

        x, y, width, height = (float(value) for value in coco.toBbox(self._raw()))
        return Box(x, y, x + width, y + height) if width > 0 and height > 0 else None

    def _raw(self) -> dict[str, Any]:
        return {"size": [self.size[0], self.size[1]], "counts": self.counts.encode("ascii")}


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
            f"{what} must be (height, width), whole numbers of at least 1, got {shorten(size)}"
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


def _written(lengths: Changes, size: Size) -> str:
    """Return the text of runs that are right, without those that hold no pixel."""
    changes = changes_of_runs(lengths)
    return write_runs(np.diff(changes, prepend=0, append=size[0] * size[1]), size)


def _unchecked(size: Size, counts: str) -> Rle:
    """Return an encoding that was made here, which need not be read to be trusted."""
    rle = object.__new__(Rle)
    object.__setattr__(rle, "size", size)
    object.__setattr__(rle, "counts", counts)
    return rle
