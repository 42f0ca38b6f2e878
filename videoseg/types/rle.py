"""Masks kept as COCO run-length encodings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from videoseg.errors import ShapeError, VideosegError
from videoseg.types.arrays import BoolArray, Size
from videoseg.types.geometry import Box

__all__ = ["Rle"]


@dataclass(frozen=True, slots=True)
class Rle:
    """One mask as a compressed COCO run-length encoding (column-major, as pycocotools has it).

    Args:
        size: (height, width) of the mask.
        counts: The compressed runs, ASCII text.

    Example:
        >>> import numpy as np
        >>> mask = np.zeros((4, 5), bool)
        >>> mask[1:3, 2:4] = True
        >>> Rle.encode(mask).area
        4
    """

    size: Size
    counts: str

    @staticmethod
    def encode(mask: BoolArray) -> Rle:
        """Encode a mask of shape (H, W).

        Raises:
            ShapeError: If the mask is not two-dimensional.
        """
        from pycocotools import mask as coco

        mask = np.asarray(mask)
        if mask.ndim != 2:
            raise ShapeError("a mask", actual=mask.shape, expected="(H, W)")
        encoded = coco.encode(np.asfortranarray(mask != 0).view(np.uint8))
        return Rle((int(mask.shape[0]), int(mask.shape[1])), encoded["counts"].decode("ascii"))

    @staticmethod
    def empty(size: Size) -> Rle:
        """Return the mask with no pixel set."""
        return Rle.encode(np.zeros(size, dtype=bool))

    @staticmethod
    def from_coco(data: Mapping[str, Any]) -> Rle:
        """Read a COCO RLE mapping with ``size`` and ``counts`` (text, bytes or a list of runs).

        Raises:
            VideosegError: If the mapping is not a COCO RLE.
        """
        from pycocotools import mask as coco

        try:
            height, width = (int(value) for value in data["size"])
            counts = data["counts"]
        except (KeyError, TypeError, ValueError) as error:
            raise VideosegError("a COCO RLE needs 'size': [height, width] and 'counts'") from error
        if isinstance(counts, list):
            if sum(counts) != height * width or min(counts, default=0) < 0:
                raise VideosegError(
                    f"the runs of a {height}x{width} RLE must add up to {height * width}, "
                    f"got {sum(counts)}"
                )
            encoded = coco.frPyObjects({"size": [height, width], "counts": counts}, height, width)
            counts = encoded["counts"]
        text = counts.decode("ascii") if isinstance(counts, bytes) else str(counts)
        return Rle((height, width), text)

    def to_coco(self) -> dict[str, Any]:
        """Return the COCO mapping, ready for JSON."""
        return {"size": [self.size[0], self.size[1]], "counts": self.counts}

    def decode(self) -> BoolArray:
        """Return the mask, shape (H, W), dtype bool."""
        from pycocotools import mask as coco

        decoded: BoolArray = coco.decode(self._raw()).view(np.bool_)
        return np.ascontiguousarray(decoded)

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
