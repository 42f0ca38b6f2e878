"""One pass through a video file: its packets, or its decoded frames, and how frames look."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from videoseg.types import Frame, Size
from videoseg.video.container import missing_bytes, open_container, stream_warnings

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream
    from typing_extensions import Buffer

__all__ = [
    "DecodedScan",
    "FrameFormat",
    "Orientation",
    "PacketScan",
    "SeekPoint",
    "frames_of",
    "orientation_of",
    "scan_decoded",
    "scan_packets",
]

# One packet of these makes exactly one frame. Others (VP8 with its hidden frames, for one)
# are decoded once to be sure.
_ONE_FRAME_A_PACKET = frozenset(
    {"av1", "dnxhd", "ffv1", "h264", "hevc", "mjpeg", "mpeg4", "prores", "rawvideo", "vp9"}
)

# A display matrix holds numbers with 16 bits behind the point. Entries up to this
# share of its largest number are rounding or slight shear, not a turn by another angle.
_NEGLIGIBLE = 0.02

# For a codec: where its header says how many bytes give the length of a unit; how far the type of
# a unit is shifted in its first byte, and its mask; and the types of an instantaneous refresh.
_REFRESH_UNITS = {
    "h264": (4, 0, 31, frozenset({5})),
    "hevc": (21, 1, 63, frozenset({19, 20})),
}

_START_CODE = b"\x00\x00\x01"


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
        """Whether it cannot be reached by turning alone."""
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
        matrix: Nine 32-bit integers as FFmpeg gives them. The stored pixel (x, y) is
            shown at (a x + c y, b x + d y) where the matrix begins with a, b, 0, c, d, 0.

    Returns:
        The orientation, and whether the matrix asks for exactly that and not for a turn by
        some other angle.
    """
    a, b, _, c, d = (float(value) for value in np.frombuffer(matrix, dtype=np.int32)[:5])
    is_transposed = abs(b) + abs(c) > abs(a) + abs(d)
    to_x, to_y, rest = (c, b, (a, d)) if is_transposed else (a, d, (b, c))
    largest = max(abs(to_x), abs(to_y))
    is_exact = all(abs(value) <= _NEGLIGIBLE * largest for value in rest)
    return Orientation(is_transposed, to_x < 0, to_y < 0), is_exact


@dataclass(frozen=True)
class FrameFormat:
    """How the frames of a stream are stored, known from the first one.

    Args:
        size: (height, width) of the frames, upright.
        orientation: The turn that makes the pictures upright.
        is_askew: Whether the file asks for a turn by another angle than quarter turns.
        pixel_format: FFmpeg's name for the layout of the pictures, such as ``yuv420p``.
        bytes_per_pixel: Memory of a decoded picture before its conversion to RGB.
    """

    size: Size
    orientation: Orientation
    is_askew: bool
    pixel_format: str
    bytes_per_pixel: float


@dataclass(frozen=True, order=True)
class SeekPoint:
    """A packet where decoding can start.

    Args:
        pts: When its frame is shown.
        dts: When it is decoded, which is what some containers seek by.
        is_closed: Whether no frame stored behind it is shown before it.
        resets_decoder: Whether the codec says that no frame before it matters any more.
    """

    pts: int
    dts: int
    is_closed: bool = True
    resets_decoder: bool = False

    @property
    def is_fresh_start(self) -> bool:
        """Whether decoding on across it gives the same frames as decoding from it."""
        return self.is_closed and self.resets_decoder


@dataclass
class PacketScan:
    """The result of reading every packet of a stream.

    Args:
        codec: FFmpeg's name of the codec.
        time_base: Seconds of one unit of time.
        header_rate: Frames per second as the header says, if it does.
        applies_edits: Whether the file's edit list was applied.
        num_streams: How many video streams the file has, cover pictures included.
        track: The number that the file gives the stream, None where files have no edit lists.
        pts: Presentation times of the packets whose frames are shown.
        seek_points: Where decoding can start.
        is_trusted: Whether every packet gives one frame, as far as packets show.
        is_damaged: Whether something is missing or marked as corrupt.
        is_edited: Whether an edit list leaves frames out.
        missing: What the header promises beyond what there is, such as "3 frames".
        warnings: What is wrong, one sentence each.
    """

    codec: str
    time_base: Fraction
    header_rate: Fraction | None
    applies_edits: bool
    num_streams: int
    track: int | None
    pts: list[int] = field(default_factory=list)
    seek_points: list[SeekPoint] = field(default_factory=list)
    is_trusted: bool = True
    is_damaged: bool = False
    is_edited: bool = False
    missing: str = ""
    warnings: tuple[str, ...] = ()


@dataclass
class DecodedScan:
    """The result of decoding a stream from its start.

    Args:
        pts: Presentation time of every frame, None where a frame has none.
        format: How the frames are stored; None if there is no frame.
        num_failed: How many packets cannot be decoded.
        reason: Why the last of them cannot.
    """

    pts: list[int | None] = field(default_factory=list)
    format: FrameFormat | None = None
    num_failed: int = 0
    reason: str = ""


def scan_packets(path: Path, *, applies_edits: bool = True) -> PacketScan:
    """Read every packet of a file's video stream without decoding it.

    Raises:
        MissingDependencyError: If PyAV is not installed.
        VideoError: If the file cannot be opened.
    """
    from av.error import FFmpegError

    container, stream = open_container(path, applies_edits=applies_edits)
    with container:
        scan = PacketScan(
            codec=stream.codec_context.name,
            time_base=stream.time_base or Fraction(1, 1000),
            header_rate=_header_rate(container, stream),
            applies_edits=applies_edits,
            num_streams=len(container.streams.video),
            track=stream.id if _has_edit_lists(container) else None,
            warnings=stream_warnings(container, path),
        )
        scan.is_trusted = scan.codec in _ONE_FRAME_A_PACKET
        setup = stream.codec_context.extradata or b""
        num_packets = 0
        latest: int | None = None
        reaches_back = False
        try:
            for packet in container.demux(stream):
                if packet.size == 0:
                    continue
                num_packets += 1
                resets = packet.is_keyframe and _resets_decoder(scan.codec, packet, setup)
                reaches_back |= packet.is_keyframe and not resets
                if packet.is_discard:
                    # An edit list leaves the frame out: it is decoded and not shown.
                    scan.is_edited = True
                    continue
                scan.is_damaged |= packet.is_corrupt
                scan.is_trusted &= not packet.is_corrupt and packet.pts is not None
                if packet.pts is not None:
                    latest = packet.pts if latest is None else max(packet.pts, latest)
                    # What is stored before a reset is shown before it, or a time is damaged.
                    scan.is_trusted &= not resets or packet.pts == latest
                    _add_packet(scan, packet, resets=resets)
        except (FFmpegError, OSError, ValueError) as error:
            scan.is_trusted = False
            scan.is_damaged = True
            scan.warnings += (
                f"{path.name} is damaged: reading stops after {num_packets} packets ({error})",
            )
        num_missing = _header_count(container, stream) - num_packets
        bytes_missing = missing_bytes(path)
    if num_missing > 0 or bytes_missing:
        # Possibly cut short, so the last packets may not decode.
        scan.missing = f"{num_missing} frames" if num_missing > 0 else f"{bytes_missing} bytes"
        scan.is_trusted = False
        scan.is_damaged = True
    # Frames beside a cut may depend on frames that FFmpeg does not even read.
    scan.is_trusted &= not (scan.is_edited and reaches_back)
    scan.is_trusted &= 0 < len(set(scan.pts)) == len(scan.pts)
    return scan


def scan_decoded(path: Path, *, applies_edits: bool, most: int | None = None) -> DecodedScan:
    """Decode a file from its start, past what cannot be decoded.

    Args:
        path: The file.
        applies_edits: Whether to apply the file's edit list.
        most: Stop after at least so many frames; None for the whole file.
    """
    from av.error import FFmpegError

    scan = DecodedScan()
    container, stream = open_container(path, applies_edits=applies_edits)
    with container:
        stream.codec_context.thread_count = 1
        packets = container.demux(stream)
        while most is None or len(scan.pts) < most:
            packet = None
            try:
                packet = next(packets)
                for frame in frames_of(packet):
                    if not scan.pts:
                        scan.format = _format_of(frame)
                    scan.pts.append(frame.pts)
            except StopIteration:
                break
            except FFmpegError as error:
                scan.num_failed += 1
                scan.reason = " ".join(str(error).split())
                if packet is None:
                    break
    return scan


def frames_of(packet: Packet[VideoStream]) -> list[VideoFrame]:
    """Return the pictures that decoding one packet gives; the last, empty packet flushes."""
    from av.video.frame import VideoFrame

    return [frame for frame in packet.decode() if isinstance(frame, VideoFrame)]


def _has_edit_lists(container: InputContainer) -> bool:
    return "mp4" in container.format.name.split(",")


def _header_rate(container: InputContainer, stream: VideoStream) -> Fraction | None:
    if container.format.name == "avi" and stream.guessed_rate:
        # Its header gives the ticks per second, of which not all show a new frame.
        return stream.guessed_rate
    return stream.average_rate or stream.guessed_rate


def _header_count(container: InputContainer, stream: VideoStream) -> int:
    """Return how many packets a header promises, 0 where it does not say."""
    if _has_edit_lists(container):
        # The header counts what is stored. FFmpeg's index is what is left of it once edit lists
        # have been applied, which leave frames out and play others twice.
        return len(stream.index_entries)
    # An AVI file counts ticks, of which some may have no frame of their own.
    return 0 if container.format.name == "avi" else stream.frames


def _add_packet(scan: PacketScan, packet: Packet[VideoStream], *, resets: bool) -> None:
    pts = cast("int", packet.pts)
    scan.pts.append(pts)
    if packet.is_keyframe:
        dts = pts if packet.dts is None else packet.dts
        scan.seek_points.append(SeekPoint(pts, dts, resets_decoder=resets))
    elif scan.seek_points and pts < scan.seek_points[-1].pts:
        scan.seek_points[-1] = replace(scan.seek_points[-1], is_closed=False)


def _resets_decoder(codec: str, packet: Buffer, setup: bytes) -> bool:
    """Return whether frames behind a keyframe never depend on those before it.

    H.264 and HEVC also mark pictures as keyframes that later ones may reach across.
    """
    if codec not in _REFRESH_UNITS:
        return True
    at, shift, mask, refreshes = _REFRESH_UNITS[codec]
    width = (setup[at] & 3) + 1 if len(setup) > at and setup[0] == 1 else 0
    return any((head >> shift) & mask in refreshes for head in _unit_heads(bytes(packet), width))


def _unit_heads(data: bytes, length_width: int) -> Iterator[int]:
    """Yield the first byte of each unit of a packet."""
    if not length_width:
        at = data.find(_START_CODE)
        while at >= 0 and at + 3 < len(data):
            yield data[at + 3]
            at = data.find(_START_CODE, at + 3)
        return
    at = 0
    while at + length_width < len(data):
        length = int.from_bytes(data[at : at + length_width], "big")
        at += length_width
        yield data[at]
        at += length


def _format_of(frame: VideoFrame) -> FrameFormat:
    # PyAV makes an angle of the matrix, which does not know mirror images.
    matrix = cast("Any", frame.side_data.get("DISPLAYMATRIX"))
    orientation, is_exact = (Orientation(), True) if matrix is None else orientation_of(matrix)
    num_bytes = sum(plane.buffer_size for plane in frame.planes)
    return FrameFormat(
        size=orientation.size_of((frame.height, frame.width)),
        orientation=orientation,
        is_askew=not is_exact,
        pixel_format=frame.format.name,
        bytes_per_pixel=num_bytes / (frame.height * frame.width),
    )
