"""How a container wants its pictures turned and mirrored before they are shown."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from videoseg.types import Frame, Size

__all__ = ["Orientation", "orientation_of"]

# A display matrix holds numbers with 16 bits behind the point. Rounding and a hair's breadth of
# shear are no turn by an odd angle.
_NEGLIGIBLE = 0.02


@dataclass(frozen=True)
class Orientation:
    """One of the eight ways to lay a picture: exchange its axes, then mirror each of them.

    Args:
        is_transposed: Whether rows become columns, before anything is mirrored.
        mirrors_columns: Whether left and right are exchanged.
        mirrors_rows: Whether top and bottom are exchanged.
    """

    is_transposed: bool = False
    mirrors_columns: bool = False
    mirrors_rows: bool = False

    @property
    def is_mirror_image(self) -> bool:
        """Whether no turn alone leads there."""
        return self.is_transposed ^ self.mirrors_columns ^ self.mirrors_rows

    def size_of(self, size: Size) -> Size:
        """Return the (height, width) that a picture has when it is upright, or the reverse."""
        return size[::-1] if self.is_transposed else size

    def upright(self, picture: Frame) -> Frame:
        """Return a picture as it is to be shown, shape (H, W, 3), laid out row by row."""
        if self.is_transposed:
            picture = picture.swapaxes(0, 1)
        rows = slice(None, None, -1 if self.mirrors_rows else 1)
        columns = slice(None, None, -1 if self.mirrors_columns else 1)
        return np.ascontiguousarray(picture[rows, columns])


def orientation_of(matrix: bytes) -> tuple[Orientation, bool]:
    """Return the orientation nearest to a display matrix.

    Args:
        matrix: Nine 32-bit integers as FFmpeg hands them over. The stored pixel (x, y) is
            shown at (a x + c y, b x + d y) where the matrix begins with a, b, 0, c, d, 0.

    Returns:
        The orientation, and whether the matrix asks for just that and not for a turn by some
        other angle.
    """
    a, b, _, c, d = (float(value) for value in np.frombuffer(matrix, dtype=np.int32)[:5])
    is_transposed = abs(b) + abs(c) > abs(a) + abs(d)
    to_x, to_y, rest = (c, b, (a, d)) if is_transposed else (a, d, (b, c))
    largest = max(abs(to_x), abs(to_y))
    is_exact = all(abs(value) <= _NEGLIGIBLE * largest for value in rest)
    return Orientation(is_transposed, to_x < 0, to_y < 0), is_exact
