"""Index of the frames that a video file contains, built by reading all of its packets.

The number of frames in a header is never used: it may be missing or wrong. Reading the
packets goes through the file once without decoding and gives the time of each frame and the
places where decoding can start. Where packets and frames need not match one to one (some
codecs, missing or repeated times, damage), the file is decoded once instead, without
converting any picture. Both take time in proportion to the file, never to a header.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from videoseg.errors import VideoError
from videoseg.text import show_path
from videoseg.types import FloatArray
from videoseg.video.edit_list import Schedule, edit_list_of, schedule_of
from videoseg.video.scan import (
    DecodedScan,
    FrameFormat,
    PacketScan,
    SeekPoint,
    scan_decoded,
    scan_packets,
)

__all__ = ["FrameIndex", "build_index"]

# How many frames at the start are decoded to see whether packets and frames match.
_NUM_PROBED = 8

# Frames per second where neither the header nor the times of frames give a rate.
_DEFAULT_RATE = 25.0

# The header's rate is used if the measured one differs by at most this share: containers that
# keep whole milliseconds blur it a little.
_RATE_TOLERANCE = 0.002


@dataclass(frozen=True)
class FrameIndex:
    """Where the frames of one video stream are.

    Args:
        codec: FFmpeg's name of the codec.
        pts: Presentation time of every stored frame in units of ``time_base``, ascending,
            shape (N,).
        time_base: Seconds of one unit.
        seek_points: Where decoding can start, in order of presentation.
        can_seek: Whether frames are identified by their time; if not, they are counted from
            the beginning.
        fps: Average frames per second.
        format: How the frames are stored.
        num_streams: How many video streams the file has, cover pictures included.
        is_edited: Whether an edit list leaves out frames that are stored, or repeats some.
        schedule: Which of the stored frames are those of the video, where not all are in
            order. Everything but ``timestamps`` is about the stored ones.
        warnings: What is wrong with the file, one sentence each.
        unusable: Positions in ``seek_points`` from which decoding turned out not to work;
            readers add to it.
    """

    codec: str
    pts: npt.NDArray[np.int64]
    time_base: Fraction
    seek_points: tuple[SeekPoint, ...]
    can_seek: bool
    fps: float
    format: FrameFormat
    num_streams: int = 1
    is_edited: bool = False
    schedule: Schedule | None = None
    warnings: tuple[str, ...] = ()
    unusable: set[int] = field(default_factory=set, compare=False)

    @cached_property
    def fresh_starts(self) -> frozenset[int]:
        """The times of the seek points that no frame before them reaches across."""
        return frozenset(point.pts for point in self.seek_points if point.is_fresh_start)

    @cached_property
    def _seek_pts(self) -> npt.NDArray[np.int64]:
        return np.array([point.pts for point in self.seek_points], dtype=np.int64)

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
        """Return the index of the frame shown at a time, or None if there is none."""
        index = self.first_at(pts)
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


def build_index(path: Path) -> FrameIndex:
    """Find every decodable frame of a file.

    Raises:
        MissingDependencyError: If PyAV is not installed.
        VideoError: If the file cannot be opened, or nothing in it can be decoded.
    """
    packets = scan_packets(path)
    edits = None
    if packets.track is not None:
        edits = edit_list_of(path, packets.track, packets.time_base)
    if edits is not None and (packets.is_edited or not edits.is_plain):
        stored = scan_packets(path, applies_edits=False)
        index = _index_of(path, stored)
        schedule = schedule_of(edits.parts, index.pts, index.time_base) if index.can_seek else None
        if schedule is not None:
            fps = _average_rate(schedule.times, stored)
            return replace(index, schedule=schedule, fps=fps, is_edited=True)
    return _index_of(path, packets)


def _index_of(path: Path, packets: PacketScan) -> FrameIndex:
    decoded = None
    if packets.is_trusted:
        probe = scan_decoded(path, applies_edits=packets.applies_edits, most=_NUM_PROBED)
        shown = sorted(packets.pts)
        if not probe.num_failed and probe.pts[:_NUM_PROBED] == shown[:_NUM_PROBED]:
            decoded = replace(probe, pts=[*shown])
    seek_points, warnings = packets.seek_points, packets.warnings
    if decoded is None:
        decoded = scan_decoded(path, applies_edits=packets.applies_edits)
        warnings += _damage_warnings(path, packets, decoded)
        if packets.is_damaged or decoded.num_failed:
            # What decoding on across an error gives is only repeatable from a fresh start.
            seek_points = [point for point in seek_points if point.is_fresh_start]
    if decoded.format is None:
        raise VideoError(
            f"no frame of {show_path(path)} can be decoded ({decoded.reason or 'it has none'}); "
            "copy or download it again",
            path=str(path),
            reader="pyav",
        )
    if decoded.format.is_askew:
        warnings += (
            f"{path.name} asks for its pictures to be turned by an angle that is no quarter "
            "turn; they are shown at the nearest one",
        )
    known = [value for value in decoded.pts if value is not None]
    can_seek = len(known) == len(decoded.pts) and all(
        earlier < later for earlier, later in pairwise(known)
    )
    pts = np.array(known if can_seek else range(len(decoded.pts)), dtype=np.int64)
    return FrameIndex(
        codec=packets.codec,
        pts=pts,
        time_base=packets.time_base,
        seek_points=tuple(sorted(seek_points)) if can_seek else (),
        can_seek=can_seek,
        fps=_average_rate(pts * float(packets.time_base) if can_seek else None, packets),
        format=decoded.format,
        num_streams=packets.num_streams,
        is_edited=packets.is_edited,
        warnings=tuple(dict.fromkeys(warnings)),
    )


def _damage_warnings(path: Path, packets: PacketScan, decoded: DecodedScan) -> tuple[str, ...]:
    warnings = []
    num_frames = len(decoded.pts)
    if decoded.num_failed:
        warnings.append(
            f"{path.name} is damaged: {decoded.num_failed} of its packets cannot be decoded "
            f"({decoded.reason}); {num_frames} frames can"
        )
    elif packets.is_edited and num_frames < len(packets.pts):
        warnings.append(
            f"{path.name} has been cut where its frames depend on each other: of the "
            f"{len(packets.pts)} frames that its edit list shows, {num_frames} can be decoded"
        )
    if packets.missing:
        warnings.append(
            f"{path.name} is cut short: its header promises {packets.missing} more than there "
            f"are; {num_frames} frames can be decoded; copy or download it again"
        )
    return tuple(warnings)


def _average_rate(times: FloatArray | None, packets: PacketScan) -> float:
    """Return frames per second: the header's where it agrees with the frames, else measured."""
    stated = float(packets.header_rate) if packets.header_rate else 0.0
    if times is None or len(times) < 2:
        return stated if stated > 0 else _DEFAULT_RATE
    measured = (len(times) - 1) / float(times[-1] - times[0])
    if stated > 0 and abs(measured - stated) <= _RATE_TOLERANCE * stated:
        return stated
    return measured
