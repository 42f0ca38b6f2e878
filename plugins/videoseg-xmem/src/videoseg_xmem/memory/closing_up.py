"""Drops rows of a large tensor without a second one."""

from __future__ import annotations

from torch import Tensor

__all__ = ["close_up"]

_ROWS_AT_ONCE = 1024


def close_up(rows: Tensor, kept: Tensor) -> int:
    """Move the rows to keep to the front, in place and in order; return how many there are.

    Args:
        rows: Shape (N, ...), with N at least the length of ``kept``.
        kept: Which of the first rows to keep, bool.
    """
    end = 0
    for start in range(0, len(kept), _ROWS_AT_ONCE):
        part = slice(start, min(start + _ROWS_AT_ONCE, len(kept)))
        # No row moves backwards, so none that is still to be read is written over.
        moving = rows[part][kept[part]]
        rows[end : end + len(moving)] = moving
        end += len(moving)
    return end
