"""Conversion between the coordinates a model writes and pixels of the source frame.

Vision-language models see a resized image and write numbers in a convention of their own. A
wrong convention raises no error, it only moves the boxes. So a ``ChatReply`` states the space of
its numbers (``coordinate_space``) and the size at which the model saw each image
(``image_sizes``), and ``CoordinateSpace`` converts between that space and source pixels.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from videoseg.errors import ConfigError
from videoseg.text import shorten
from videoseg.types import FloatArray, Size

__all__ = ["COORDINATE_SPACES", "CoordinateSpace"]

COORDINATE_SPACES = ("pixels_of_resized", "per_mille", "square(n)", "unit")
"""The names of the spaces; ``n`` stands for a number of pixels.

The suffix ``_yx`` says that y is written before x, as in ``per_mille_yx``.
"""

_SQUARE = re.compile(r"square\((\d{1,9})\)")
_Y_FIRST = "_yx"


@dataclass(frozen=True, slots=True)
class CoordinateSpace:
    """The convention in which a model writes coordinates.

    Args:
        name: ``pixels_of_resized`` for pixels of the image as the model saw it;
            ``per_mille`` for thousandths of width and height; ``square(840)`` for pixels of
            the square to which every image is stretched before the model sees it;
            ``unit`` for fractions of width and height. With the suffix ``_yx``, y is written
            before x: ``per_mille_yx`` for Gemini's ``[ymin, xmin, ymax, xmax]``.

    Raises:
        ConfigError: If there is no space of this name.

    Example:
        >>> CoordinateSpace("per_mille").to_source([500, 500], source=(720, 1280)).tolist()
        [640.0, 360.0]
        >>> space = CoordinateSpace("pixels_of_resized")
        >>> space.to_source([644, 364], source=(720, 1280), seen=(728, 1288)).tolist()
        [640.0, 360.0]
        >>> CoordinateSpace("per_mille_yx").to_source([250, 500], source=(720, 1280)).tolist()
        [640.0, 180.0]
    """

    name: str

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self._is_known():
            raise ConfigError(
                f"there is no coordinate space {shorten(self.name)}; the spaces are "
                f"{', '.join(COORDINATE_SPACES)}, where n is a number of pixels such as 840; with "
                f"the suffix {_Y_FIRST}, as in per_mille{_Y_FIRST}, y comes before x"
            )

    @property
    def y_first(self) -> bool:
        """Whether y is written before x."""
        return self.name.endswith(_Y_FIRST)

    @property
    def x_first(self) -> CoordinateSpace:
        """The same space with x written before y."""
        return CoordinateSpace(self._scale_name) if self.y_first else self

    @property
    def square_side(self) -> int | None:
        """The side in pixels of the square every image is stretched to; None if it is not."""
        match = _SQUARE.fullmatch(self._scale_name)
        return int(match[1]) if match else None

    def extent(self, seen: Size | None = None) -> tuple[float, float]:
        """Return the coordinates (x, y) of an image's bottom right corner, x always first.

        Args:
            seen: The (height, width) at which the model saw the image; needed for
                ``pixels_of_resized`` only.

        Raises:
            ConfigError: If the size is needed and not given.
        """
        if self._scale_name == "per_mille":
            return (1000.0, 1000.0)
        if self._scale_name == "unit":
            return (1.0, 1.0)
        if (side := self.square_side) is not None:
            return (float(side), float(side))
        if seen is None:
            raise ConfigError(
                "coordinates in pixels of the resized image need the size of that image; the chat "
                "model must give it in ChatReply.image_sizes"
            )
        height, width = seen
        return (float(width), float(height))

    def to_source(
        self, numbers: ArrayLike, *, source: Size, seen: Size | None = None
    ) -> FloatArray:
        """Convert a model's coordinates to pixels of the source frame.

        Nothing is rounded or clipped.

        Args:
            numbers: Shape (..., 2) or (..., 4): x, y or x, y, x, y; in a space with y first
                y, x or y, x, y, x.
            source: The (height, width) of the source frame.
            seen: As for ``extent``.

        Returns:
            An array of the same shape, dtype float64: x, y or x, y, x, y.
        """
        pairs = self._ordered(_pairs(numbers)) * self._scale(source, seen)
        return pairs.reshape(np.shape(numbers))

    def from_source(
        self, numbers: ArrayLike, *, source: Size, seen: Size | None = None
    ) -> FloatArray:
        """Convert pixels of the source frame to a model's coordinates; see ``to_source``.

        The input has x first; the output is in the order of the space.
        """
        pairs = self._ordered(_pairs(numbers) / self._scale(source, seen))
        return pairs.reshape(np.shape(numbers))

    def _scale(self, source: Size, seen: Size | None) -> FloatArray:
        height, width = source
        extent_x, extent_y = self.extent(seen)
        return np.array([width / extent_x, height / extent_y])

    def _ordered(self, pairs: FloatArray) -> FloatArray:
        """Swap x and y if y is written first."""
        return pairs[..., ::-1] if self.y_first else pairs

    @property
    def _scale_name(self) -> str:
        return self.name.removesuffix(_Y_FIRST)

    def _is_known(self) -> bool:
        return self._scale_name in ("pixels_of_resized", "per_mille", "unit") or (
            self.square_side is not None and self.square_side >= 1
        )

    def __str__(self) -> str:
        return self.name


def _pairs(numbers: ArrayLike) -> FloatArray:
    """Return points or corners as pairs, shape (..., 1, 2) or (..., 2, 2)."""
    values = np.asarray(numbers, np.float64)
    if values.ndim < 1 or values.shape[-1] not in (2, 4):
        raise ConfigError(f"coordinates must have shape (..., 2) or (..., 4), got {values.shape}")
    pairs: FloatArray = values.reshape(*values.shape[:-1], -1, 2)
    return pairs
