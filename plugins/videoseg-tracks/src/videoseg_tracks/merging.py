"""Merging tracks that show the same thing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from videoseg.masks import iou
from videoseg.samplers import evenly_spaced
from videoseg_tracks.tracks import Track

__all__ = ["mean_overlap", "merge_duplicates"]

# Set by hand while looking at drawn clips and the DAVIS clips; not measured separately.
_COMMON = 0.3  # share of the shorter track's frames on which both must be visible
_DUPLICATE = 0.6  # mean intersection over union of two tracks of one thing
_FRAMES_COMPARED = 12


def merge_duplicates(tracks: Sequence[Track]) -> list[Track]:
    """Return the tracks, those of one thing merged into the first of them.

    Two tracks show one thing if their masks overlap with a mean intersection over union of 0.6
    where both are visible. Where the first is not visible, the masks of the other fill in.

    Args:
        tracks: The tracks; those that were found first have precedence.
    """
    kept: list[Track] = []
    for track in tracks:
        home = next(
            (
                place
                for place, other in enumerate(kept)
                if mean_overlap(other, track) >= _DUPLICATE
            ),
            None,
        )
        if home is None:
            kept.append(track)
        else:
            first = kept[home]
            # A new object, since a track remembers its frames and areas.
            kept[home] = replace(
                first,
                masks={**track.masks, **first.masks},
                score=max(first.score, track.score),
            )
    return kept


def mean_overlap(first: Track, second: Track) -> float:
    """Return the mean intersection over union of two tracks where both are visible, in [0, 1].

    0 if they are rarely visible together. At most 12 frames are compared.
    """
    common = sorted(first.masks.keys() & second.masks.keys())
    if not common or len(common) < _COMMON * min(len(first.masks), len(second.masks)):
        return 0.0
    compared = evenly_spaced(common, _FRAMES_COMPARED)
    total = 0.0
    for frame in compared:
        one, other = first.mask(frame), second.mask(frame)
        total += iou(one, other) if one is not None and other is not None else 0.0
    return total / len(compared)
