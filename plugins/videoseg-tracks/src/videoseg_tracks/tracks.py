"""``Track`` and ``TrackPool``: things that were followed through a video, with their masks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from videoseg import Window
from videoseg.types import BoolArray, Box, Rle

__all__ = ["Track", "TrackPool", "joint_scope"]


@dataclass(frozen=True)
class Track:
    """One thing and its masks, kept as run lengths.

    Args:
        track_id: Its number, 1 or greater; the same in pictures, trace and result.
        name: The name under which it was found.
        masks: For each frame on which it is visible, its mask.
        score: The highest score of the detections that it was started from or agrees with, in
            [0, 1].
        num_detections: With how many detections it agrees.
    """

    track_id: int
    name: str
    masks: dict[int, Rle]
    score: float = 1.0
    num_detections: int = 1

    @cached_property
    def frames(self) -> tuple[int, ...]:
        """The frames on which it is visible, ascending."""
        return tuple(sorted(self.masks))

    @cached_property
    def areas(self) -> dict[int, int]:
        """Its area in pixels on each frame on which it is visible."""
        return {frame: self.masks[frame].area for frame in self.frames}

    @cached_property
    def clearest(self) -> int:
        """The frame on which it is largest; of several, the first."""
        return max(self.frames, key=lambda frame: (self.areas[frame], -frame))

    @property
    def scope(self) -> Window:
        """The range of frames from its first to its last."""
        return Window(self.frames[0], self.frames[-1] + 1)

    def mask(self, frame: int) -> BoolArray | None:
        """Return its mask on a frame, shape (H, W); None where it is not visible."""
        rle = self.masks.get(frame)
        return None if rle is None else rle.decode()

    def box(self, frame: int) -> Box | None:
        """Return the box around it on a frame; None where it is not visible."""
        rle = self.masks.get(frame)
        return None if rle is None else rle.box

    def visible_ranges(self) -> list[Window]:
        """Return the ranges of frames on which it is visible without a break."""
        ranges: list[Window] = []
        for frame in self.frames:
            if ranges and ranges[-1].stop == frame:
                ranges[-1] = Window(ranges[-1].start, frame + 1)
            else:
                ranges.append(Window(frame, frame + 1))
        return ranges


@dataclass(frozen=True)
class TrackPool:
    """Everything that was found and followed.

    Args:
        tracks: The tracks, numbered from 1.
        window: The frames that were searched.
        names: The names that were looked for.
        unknown_names: Names that the detector does not know, so that nothing can be said of them.
        num_found: How many detections there were.
        num_left_out: Detections that fit no track and were not followed, since there would have
            been too many tracks or passes.
        warnings: What the user should know of how the tracks were made.
    """

    tracks: tuple[Track, ...]
    window: Window
    names: tuple[str, ...]
    unknown_names: tuple[str, ...] = ()
    num_found: int = 0
    num_left_out: int = 0
    warnings: tuple[str, ...] = ()

    def of_ids(self, track_ids: Iterable[int]) -> tuple[Track, ...]:
        """Return the tracks of these ids, in the order of the pool."""
        wanted = set(track_ids)
        return tuple(track for track in self.tracks if track.track_id in wanted)


def joint_scope(tracks: Sequence[Track]) -> Window:
    """Return the range of frames from the first of any of these tracks to the last of any.

    Args:
        tracks: At least one.
    """
    return Window(
        min(track.frames[0] for track in tracks), max(track.frames[-1] for track in tracks) + 1
    )
