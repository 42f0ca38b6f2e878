"""The list of frames a video file really has, found by walking through its packets.

What a header says about the number of frames is never used: it may be missing or wrong.
Walking the packets reads the file once without decoding and tells the time of each frame
and where decoding can start. Where packets and frames need not match one to one (some
codecs, missing or repeated times, damage), the file is decoded once instead, without
converting any picture. Both take a time proportional to the file, never to a header.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from videoseg.errors import VideoError
from videoseg.types import FloatArray, Size
from videoseg.video.bitstream import wipes_memory
from videoseg.video.container import open_container

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

__all__ = ["FrameIndex", "SeekPoint", "build_index", "frames_of"]

# One packet of these makes exactly one frame. Others (VP8 with its hidden frames, for one)
# are decoded once to be sure.
_ONE_FRAME_A_PACKET = frozenset(
    {"av1", "dnxhd", "ffv1", "h264", "hevc", "mjpeg", "mpeg4", "prores", "rawvideo", "vp9"}
)

# How many packets at the start are decoded to see whether the rule holds.
_PROBED_PACKETS = 8


@dataclass(frozen=True, order=True)
class SeekPoint:
    """A packet where decoding can start.

    Args:
        pts: When its frame is shown.
        dts: When it is decoded, which is what some containers seek by.
        is_closed: Whether no frame stored behind it is shown before it.
        wipes_memory: Whether the codec says that no frame before it matters any more.
    """

    pts: int
    dts: int
    is_closed: bool = True
    wipes_memory: bool = False

    @property
    def is_fresh_start(self) -> bool:
        """Whether decoding on across it must give what decoding from it gives."""
        return self.is_closed and self.wipes_memory


@dataclass(frozen=True)
class FrameIndex:
    """Where the frames of one video stream are.

    Args:
        codec: FFmpeg's name of the codec.
        pts: Presentation time of every frame in units of ``time_base``, ascending, shape (T,).
        time_base: Seconds of one unit.
        seek_points: Where decoding can start, in order of presentation.
        can_seek: Whether frames can be told apart by their time; where not, they are counted
            from the beginning.
        fps: Average frames per second.
        size: (height, width) of the frames, upright.
        rotation: Quarter turns anticlockwise that make the pictures upright, 0 to 3.
        pixel_format: FFmpeg's name for the layout of the pictures, such as ``yuv420p``.
        bytes_per_pixel: What a decoded picture takes before its conversion to RGB.
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
    rotation: int
    pixel_format: str
    bytes_per_pixel: float
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
        """Number of frames."""
        return len(self.pts)

    @property
    def timestamps(self) -> FloatArray:
        """Times of the frames in seconds from the first, shape (T,)."""
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
    packets = _walk_packets(path, reader=reader)
    if packets.is_trusted and _probe_agrees(path, packets, reader=reader):
        pts = np.array(sorted(packets.pts), dtype=np.int64)
        can_seek = True
        warnings = packets.warnings
        picture = packets.picture
    else:
        decoded = _decode_all(path, reader=reader)
        if not decoded.pts:
            raise VideoError(
                f"no frame of {path} can be decoded ({decoded.reason or 'it has none'}); "
                "copy or download it again",
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
        if packets.num_missing:
            warnings += (
                f"{path.name} is cut short: its header promises {packets.num_missing} frames "
                f"more than there are; {len(decoded.pts)} can be decoded",
            )
        picture = decoded.picture
    if picture is None:
        raise AssertionError("a frame was decoded, so its picture is known")
    return FrameIndex(
        codec=packets.codec,
        pts=pts,
        time_base=packets.time_base,
        seek_points=tuple(sorted(packets.seek_points)) if can_seek else (),
        can_seek=can_seek,
        fps=_average_rate(pts if can_seek else None, packets),
        size=picture.size,
        rotation=picture.rotation,
        pixel_format=picture.pixel_format,
        bytes_per_pixel=picture.bytes_per_pixel,
        warnings=tuple(dict.fromkeys(warnings)),
    )


@dataclass(frozen=True)
class _Picture:
    """What the first frame tells about all of them."""

    size: Size
    rotation: int
    pixel_format: str
    bytes_per_pixel: float


@dataclass
class _Packets:
    """What a walk through the packets found."""

    codec: str
    time_base: Fraction
    header_rate: Fraction | None
    setup: bytes
    pts: list[int] = field(default_factory=list)
    seek_points: list[SeekPoint] = field(default_factory=list)
    is_trusted: bool = True
    is_damaged: bool = False
    num_missing: int = 0
    picture: _Picture | None = None
    warnings: tuple[str, ...] = ()


@dataclass
class _Decoded:
    """What decoding everything found."""

    pts: list[int | None] = field(default_factory=list)
    picture: _Picture | None = None
    num_failed: int = 0
    reason: str = ""
    warnings: tuple[str, ...] = ()


def _walk_packets(path: Path, *, reader: str) -> _Packets:
    from av.error import FFmpegError

    container, stream = open_container(path, reader=reader)
    with container:
        found = _Packets(
            codec=stream.codec_context.name,
            time_base=stream.time_base or Fraction(1, 1000),
            header_rate=stream.average_rate or stream.guessed_rate,
            setup=stream.codec_context.extradata or b"",
        )
        found.is_trusted = found.codec in _ONE_FRAME_A_PACKET
        num_packets = 0
        try:
            for packet in container.demux(stream):
                if packet.size == 0:
                    continue
                num_packets += 1
                if packet.is_discard:
                    # An edit list leaves the frame out: it is decoded and not shown.
                    continue
                found.is_damaged |= packet.is_corrupt
                if packet.is_corrupt or packet.pts is None:
                    found.is_trusted = False
                if packet.pts is not None:
                    _note(found, packet)
        except (FFmpegError, OSError, ValueError) as error:
            found.is_trusted = False
            found.is_damaged = True
            found.warnings = (
                f"{path.name} is damaged: reading stops after {num_packets} packets ({error})",
            )
        found.num_missing = max(0, stream.frames - num_packets)
    if found.num_missing:
        # Possibly cut short, so the last packets may not decode.
        found.is_trusted = False
        found.is_damaged = True
    if len(set(found.pts)) != len(found.pts) or not found.pts:
        found.is_trusted = False
    return found


def _note(found: _Packets, packet: Packet[VideoStream]) -> None:
    pts = cast("int", packet.pts)
    found.pts.append(pts)
    if packet.is_keyframe:
        dts = pts if packet.dts is None else packet.dts
        wiping = wipes_memory(found.codec, packet, found.setup)
        found.seek_points.append(SeekPoint(pts, dts, wipes_memory=wiping))
    elif found.seek_points and pts < found.seek_points[-1].pts:
        found.seek_points[-1] = replace(found.seek_points[-1], is_closed=False)


def _probe_agrees(path: Path, packets: _Packets, *, reader: str) -> bool:
    """Return whether the first packets give the frames they promise."""
    from av.error import FFmpegError

    ordered = sorted(packets.pts)
    container, stream = open_container(path, reader=reader)
    with container:
        stream.codec_context.thread_count = 1
        try:
            head: list[int | None] = []
            for frame in container.decode(stream):
                if not head:
                    packets.picture = _picture_of(frame)
                head.append(frame.pts)
                if len(head) == _PROBED_PACKETS:
                    break
            return head == ordered[:_PROBED_PACKETS]
        except FFmpegError:
            return False


def _decode_all(path: Path, *, reader: str) -> _Decoded:
    from av.error import FFmpegError

    decoded = _Decoded()
    container, stream = open_container(path, reader=reader)
    with container:
        stream.codec_context.thread_count = 1
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                break
            except FFmpegError as error:
                decoded.num_failed += 1
                decoded.reason = str(error)
                break
            try:
                for frame in frames_of(packet):
                    if not decoded.pts:
                        decoded.picture = _picture_of(frame)
                    decoded.pts.append(frame.pts)
            except FFmpegError as error:
                decoded.num_failed += 1
                decoded.reason = " ".join(str(error).split())
    if decoded.num_failed:
        decoded.warnings += (
            f"{path.name} is damaged: {decoded.num_failed} of its packets cannot be decoded "
            f"({decoded.reason}); {len(decoded.pts)} frames can",
        )
    return decoded


def frames_of(packet: Packet[VideoStream]) -> list[VideoFrame]:
    """Return the pictures that decoding one packet gives; the last, empty packet flushes."""
    from av.video.frame import VideoFrame

    return [frame for frame in packet.decode() if isinstance(frame, VideoFrame)]


def _picture_of(frame: VideoFrame) -> _Picture:
    turns = _quarter_turns(frame)
    size = (frame.height, frame.width)
    num_bytes = sum(plane.buffer_size for plane in frame.planes)
    return _Picture(
        size=size[::-1] if turns % 2 else size,
        rotation=turns,
        pixel_format=frame.format.name,
        bytes_per_pixel=num_bytes / (frame.height * frame.width),
    )


def _quarter_turns(frame: VideoFrame) -> int:
    """Return how many quarter turns anticlockwise make a frame upright, 0 to 3."""
    # Read from the matrix itself because older versions of PyAV have no ready-made angle.
    data = cast("Any", frame.side_data.get("DISPLAYMATRIX"))
    if data is None:
        return 0
    matrix = np.frombuffer(bytes(data), dtype=np.int32).reshape(3, 3)
    degrees = -math.degrees(math.atan2(int(matrix[0, 1]), int(matrix[0, 0])))
    return round(degrees / 90) % 4


def _average_rate(pts: npt.NDArray[np.int64] | None, packets: _Packets) -> float:
    """Return frames per second: the header's where the frames bear it out, else measured."""
    stated = float(packets.header_rate) if packets.header_rate else 0.0
    if pts is None or len(pts) < 2:
        return stated if stated > 0 else 25.0
    measured = float((len(pts) - 1) / (int(pts[-1] - pts[0]) * packets.time_base))
    # Containers that keep whole milliseconds blur the rate a little.
    if stated > 0 and abs(measured - stated) <= 0.002 * stated:
        return stated
    return measured
