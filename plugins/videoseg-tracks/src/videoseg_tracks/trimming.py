"""Cutting tracks off where a detector that saw them before sees them no more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from videoseg.types import Rle

__all__ = ["trim_unconfirmed"]

# Set by hand: a detector that finds a thing four times in five misses it three times in a row
# once in a hundred.
_RELIABLE = 0.8  # share of the frames that a detector must have found a thing on
_LEAST_CONFIRMED = 3  # on so many frames at least
_MISSED = 3  # so many times in a row, and it is not there


def trim_unconfirmed(
    masks: Mapping[int, Rle], confirmed: Sequence[int], asked: Sequence[int]
) -> dict[int, Rle]:
    """Return the masks without a beginning and an end that no detection confirms.

    A propagator that loses a thing, because it left the picture or had not come yet, often goes
    on with what is behind it. Between two confirmed frames nothing is cut off: a thing may be
    hidden from the detector and still be followed rightly.

    Args:
        masks: The masks of a track by frame.
        confirmed: The frames on which a detection showed it.
        asked: All frames on which the detector was asked.
    """
    if len(confirmed) < _LEAST_CONFIRMED:
        return dict(masks)
    first, last = min(confirmed), max(confirmed)
    chances = [frame for frame in asked if first <= frame <= last and frame in masks]
    if len(confirmed) < _RELIABLE * len(chances):
        return dict(masks)
    before = [frame for frame in asked if frame < first and frame in masks]
    behind = [frame for frame in asked if frame > last and frame in masks]
    # It came or went at an unknown time between two frames: half-way is the best guess.
    start = (max(before) + first) // 2 + 1 if len(before) >= _MISSED else min(masks)
    stop = (min(behind) + last) // 2 if len(behind) >= _MISSED else max(masks)
    return {frame: mask for frame, mask in masks.items() if start <= frame <= stop}
