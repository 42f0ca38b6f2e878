"""The list of frames a video file really has, found by walking through its packets.

What a header says about the number of frames is never used: it may be missing or wrong.
Walking the packets reads the file once without decoding and tells the time of each frame
and where decoding can start. Where packets and frames need not match one to one (some
codecs, missing or repeated times, damage), the file is decoded once instead, without
converting any picture. Both take a time proportional to the file, never to a header.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from videoseg.errors import VideoError
from videoseg.text import show_path
from videoseg.types import FloatArray, Size
from videoseg.video.edit_list import Schedule, edit_list_of, schedule_of
from videoseg.video.orientation import Orientation
from videoseg.video.scanning import Packets, SeekPoint, decode_all, probe_agrees, walk_packets

__all__ = ["FrameIndex", "build_index"]


@dataclass(frozen=True)
class FrameIndex:
    """Where the frames of one video stream are.

    Args:
        codec: FFmpeg's name of the codec.
        pts: Presentation time of every stored frame in units of ``time_base``, ascending,
            shape (N,).
        time_base: Seconds of one unit.
        seek_points: Where decoding can start, in order of presentation.
        can_seek: Whether frames can be told apart by their time; where not, they are counted
            from the beginning.
        fps: Average frames per second.
        size: (height, width) of the frames, upright.
        orientation: What makes the pictures upright.
        pixel_format: FFmpeg's name for the layout of the pictures, such as ``yuv420p``.
        bytes_per_pixel: What a decoded picture takes before its conversion to RGB.
        num_streams: How many video streams the file has, cover pictures included.
        is_edited: Whether an edit list leaves out frames that are stored, or repeats some.
        schedule: Which of the stored frames are those of the video, where not all are in
            order. Everything but ``timestamps`` is about the stored ones.
        warnings: What is wrong with the file, in words.
        unusable: Positions in ``seek_points`` of those that a decoder could not start from,
            added as they are found out.
    """

    codec: str
    pts: npt.NDArray[np.int64]
    time_base: Fraction
    seek_points: tuple[SeekPoint, ...]
    can_seek: bool
    fps: float
    size: Size
    orientation: Orientation
    pixel_format: str
    bytes_per_pixel: float
    num_streams: int = 1
    is_edited: bool = False
    schedule: Schedule | None = None
    warnings: tuple[str, ...] = ()
    unusable: set[int] = field(default_factory=set, compare=False)
    fresh_starts: frozenset[int] = field(init=False, repr=False, compare=False)
    _seek_pts: npt.NDArray[np.int64] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        pts = np.array([point.pts for point in self.seek_points], dtype=np.int64)
        object.__setattr__(self, "_seek_pts", pts)
        fresh = frozenset(point.pts for point in self.seek_points if point.is_fresh_start)
        object.__setattr__(self, "fresh_starts", fresh)

    @property
    def num_frames(self) -> int:
        """Number of stored frames."""
        return len(self.pts)

    @property
    def timestamps(self) -> FloatArray:
        """Times of the frames of the video in seconds from the first, shape (T,)."""
        if self.schedule is not None:
            return self.schedule.times
        if not self.can_seek:
            return np.arange(self.num_frames, dtype=np.float64) / self.fps
        ticks = (self.pts - self.pts[0]).astype(np.float64)
        seconds: FloatArray = ticks * self.time_base.numerator / self.time_base.denominator
        seconds.flags.writeable = False
        return seconds

    def index_of(self, pts: int) -> int | None:
        """Return the index of the frame shown at a time, or None where there is none."""
        index = int(np.searchsorted(self.pts, pts))
        return index if index < len(self.pts) and self.pts[index] == pts else None

    def first_at(self, pts: int) -> int:
        """Return the index of the first frame shown at or after a time."""
        return int(np.searchsorted(self.pts, pts))

    def group_start(self, index: int) -> int:
        """Return the first frame that decoding towards a frame gives."""
        point = self.seek_point_before(index)
        return 0 if point < 0 else self.first_at(self.seek_points[point].pts)

    def seek_point_before(self, index: int) -> int:
        """Return which seek point decoding must start from for a frame, -1 for the start.

        Frames shown before a seek point but stored behind it need the group before it, so
        what counts is the time a point is shown, not where it is stored.
        """
        point = int(np.searchsorted(self._seek_pts, self.pts[index], side="right")) - 1
        while point >= 0 and point in self.unusable:
            point -= 1
        return point


def build_index(path: Path, *, reader: str) -> FrameIndex:
    """Find every decodable frame of a file.

    Args:
        path: The file.
        reader: The name of the reader, for errors.

    Raises:
        MissingDependencyError: If PyAV is not installed.
        VideoError: If nothing in the file can be decoded.
    """
    packets = walk_packets(path, reader=reader)
    edits = None
    if packets.track is not None:
        edits = edit_list_of(path, packets.track, packets.time_base)
    if edits is not None and (packets.is_edited or not edits.is_plain):
        stored = walk_packets(path, reader=reader, applies_edits=False)
        index = _index_of(path, stored, reader=reader, applies_edits=False)
        schedule = schedule_of(edits.parts, index.pts, index.time_base) if index.can_seek else None
        if schedule is not None:
            fps = _average_rate(schedule.times, stored)
            return replace(index, schedule=schedule, fps=fps, is_edited=True)
    return _index_of(path, packets, reader=reader, applies_edits=True)


def _index_of(path: Path, packets: Packets, *, reader: str, applies_edits: bool) -> FrameIndex:
    if packets.is_trusted and probe_agrees(
        path, packets, reader=reader, applies_edits=applies_edits
    ):
        pts = np.array(sorted(packets.pts), dtype=np.int64)
        can_seek = True
        warnings = packets.warnings
        picture = packets.picture
    else:
        decoded = decode_all(path, reader=reader, applies_edits=applies_edits)
        if not decoded.pts:
            raise VideoError(
                f"no frame of {show_path(path)} can be decoded "
                f"({decoded.reason or 'it has none'}); copy or download it again",
                path=str(path),
                reader=reader,
            )
        known = [value for value in decoded.pts if value is not None]
        can_seek = len(known) == len(decoded.pts) and all(
            earlier < later for earlier, later in pairwise(known)
        )
        pts = np.array(known if can_seek else range(len(decoded.pts)), dtype=np.int64)
        warnings = packets.warnings + decoded.warnings
        if can_seek and (packets.is_damaged or decoded.num_failed):
            # What decoding on across an error gives is only repeatable from a fresh start.
            packets.seek_points = [point for point in packets.seek_points if point.is_fresh_start]
        if packets.is_edited and len(decoded.pts) < len(packets.pts) and not decoded.num_failed:
            warnings += (
                f"{path.name} has been cut where its frames lean on each other: of the "
                f"{len(packets.pts)} frames that its edit list shows, {len(decoded.pts)} can be "
                "decoded",
            )
        if packets.num_missing or packets.bytes_missing:
            missing = (
                f"{packets.num_missing} frames"
                if packets.num_missing
                else f"{packets.bytes_missing} bytes"
            )
            warnings += (
                f"{path.name} is cut short: its header promises {missing} more than there are; "
                f"{len(decoded.pts)} frames can be decoded; copy or download it again",
            )
        picture = decoded.picture
    if picture is None:
        raise AssertionError("a frame was decoded, so its picture is known")
    if picture.is_askew:
        warnings += (
            f"{path.name} asks for its pictures to be turned by an angle that is no quarter "
            "turn; they are shown at the nearest one",
        )
    return FrameIndex(
        codec=packets.codec,
        pts=pts,
        time_base=packets.time_base,
        seek_points=tuple(sorted(packets.seek_points)) if can_seek else (),
        can_seek=can_seek,
        fps=_average_rate(pts * float(packets.time_base) if can_seek else None, packets),
        size=picture.size,
        orientation=picture.orientation,
        pixel_format=picture.pixel_format,
        bytes_per_pixel=picture.bytes_per_pixel,
        num_streams=packets.num_streams,
        is_edited=packets.is_edited,
        warnings=tuple(dict.fromkeys(warnings)),
    )


def _average_rate(times: FloatArray | None, packets: Packets) -> float:
    """Return frames per second: the header's where the frames bear it out, else measured."""
    stated = float(packets.header_rate) if packets.header_rate else 0.0
    if times is None or len(times) < 2:
        return stated if stated > 0 else 25.0
    measured = (len(times) - 1) / float(times[-1] - times[0])
    # Containers that keep whole milliseconds blur the rate a little.
    if stated > 0 and abs(measured - stated) <= 0.002 * stated:
        return stated
    return measured
