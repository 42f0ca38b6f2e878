"""Looking through a file once, packet by packet or picture by picture."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from videoseg.types import Size
from videoseg.video.bitstream import wipes_memory
from videoseg.video.container import open_container, stream_warnings
from videoseg.video.file_length import missing_bytes
from videoseg.video.orientation import Orientation, orientation_of

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

__all__ = [
    "Decoded",
    "Packets",
    "Picture",
    "SeekPoint",
    "decode_all",
    "frames_of",
    "probe_agrees",
    "walk_packets",
]

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
class Picture:
    """What the first frame tells about all of them."""

    size: Size
    orientation: Orientation
    is_askew: bool
    pixel_format: str
    bytes_per_pixel: float


@dataclass
class Packets:
    """What a walk through the packets found.

    Args:
        codec: FFmpeg's name of the codec.
        time_base: Seconds of one unit of time.
        header_rate: Frames per second as the header says, if it does.
        setup: The codec's own header.
        pts: Presentation times of the packets whose frames are shown.
        latest: The largest of them.
        seek_points: Where decoding can start.
        is_trusted: Whether every packet gives one frame, as far as packets tell.
        is_damaged: Whether something is missing or marked as corrupt.
        num_streams: How many video streams the file has, cover pictures included.
        track: The number that the file gives the stream, None where files have no edit lists.
        is_edited: Whether an edit list leaves frames out.
        num_missing: How many packets the header promises beyond those there are.
        bytes_missing: How many bytes the head promises beyond those there are.
        picture: What the first frame looks like, once one has been decoded.
        warnings: What is wrong, in words.
    """

    codec: str
    time_base: Fraction
    header_rate: Fraction | None
    setup: bytes
    pts: list[int] = field(default_factory=list)
    latest: int = 0
    seek_points: list[SeekPoint] = field(default_factory=list)
    is_trusted: bool = True
    is_damaged: bool = False
    is_edited: bool = False
    num_streams: int = 1
    track: int | None = None
    num_missing: int = 0
    bytes_missing: int = 0
    picture: Picture | None = None
    warnings: tuple[str, ...] = ()


@dataclass
class Decoded:
    """What decoding everything found."""

    pts: list[int | None] = field(default_factory=list)
    picture: Picture | None = None
    num_failed: int = 0
    reason: str = ""
    warnings: tuple[str, ...] = ()


def walk_packets(path: Path, *, reader: str, applies_edits: bool = True) -> Packets:
    """Read every packet of a file's video stream without decoding it.

    Raises:
        MissingDependencyError: If PyAV is not installed.
        VideoError: If the file cannot be opened.
    """
    from av.error import FFmpegError

    container, stream = open_container(path, reader=reader, applies_edits=applies_edits)
    with container:
        found = Packets(
            codec=stream.codec_context.name,
            time_base=stream.time_base or Fraction(1, 1000),
            header_rate=_stated_rate(container, stream),
            setup=stream.codec_context.extradata or b"",
        )
        found.is_trusted = found.codec in _ONE_FRAME_A_PACKET
        found.warnings += stream_warnings(container, path)
        found.num_streams = len(container.streams.video)
        found.track = stream.id if _has_edit_lists(container) else None
        num_packets = 0
        is_open = False
        try:
            for packet in container.demux(stream):
                if packet.size == 0:
                    continue
                num_packets += 1
                if packet.is_keyframe and not wipes_memory(found.codec, packet, found.setup):
                    is_open = True
                if packet.is_discard:
                    # An edit list leaves the frame out: it is decoded and not shown.
                    found.is_edited = True
                    continue
                found.is_damaged |= packet.is_corrupt
                if packet.is_corrupt or packet.pts is None:
                    found.is_trusted = False
                if packet.pts is not None:
                    _note(found, packet)
        except (FFmpegError, OSError, ValueError) as error:
            found.is_trusted = False
            found.is_damaged = True
            found.warnings += (
                f"{path.name} is damaged: reading stops after {num_packets} packets ({error})",
            )
        found.num_missing = max(0, _num_promised(container, stream) - num_packets)
        found.bytes_missing = missing_bytes(path)
    if found.is_edited and is_open:
        # Frames beside a cut may lean on frames that FFmpeg does not even read.
        found.is_trusted = False
    if found.num_missing or found.bytes_missing:
        # Possibly cut short, so the last packets may not decode.
        found.is_trusted = False
        found.is_damaged = True
    if len(set(found.pts)) != len(found.pts) or not found.pts:
        found.is_trusted = False
    return found


def _has_edit_lists(container: InputContainer) -> bool:
    return "mp4" in container.format.name.split(",")


def _stated_rate(container: InputContainer, stream: VideoStream) -> Fraction | None:
    """Return frames per second as the header says."""
    if container.format.name == "avi" and stream.guessed_rate:
        # Its header tells the ticks per second, of which not all show a new frame.
        return stream.guessed_rate
    return stream.average_rate or stream.guessed_rate


def _num_promised(container: InputContainer, stream: VideoStream) -> int:
    """Return how many packets a header promises, 0 where it does not say."""
    if _has_edit_lists(container):
        # The header counts what is stored. FFmpeg's index is what is left of it once edit lists
        # have been applied, which leave frames out and play others twice.
        return len(stream.index_entries)
    # An AVI file counts ticks, of which some may have no frame of their own.
    return 0 if container.format.name == "avi" else stream.frames


def _note(found: Packets, packet: Packet[VideoStream]) -> None:
    pts = cast("int", packet.pts)
    found.pts.append(pts)
    found.latest = pts if len(found.pts) == 1 else max(pts, found.latest)
    if packet.is_keyframe:
        dts = pts if packet.dts is None else packet.dts
        wiping = wipes_memory(found.codec, packet, found.setup)
        if wiping and pts < found.latest:
            # What is stored before such a frame is shown before it; a time has been damaged.
            found.is_trusted = False
        found.seek_points.append(SeekPoint(pts, dts, wipes_memory=wiping))
    elif found.seek_points and pts < found.seek_points[-1].pts:
        found.seek_points[-1] = replace(found.seek_points[-1], is_closed=False)


def probe_agrees(path: Path, packets: Packets, *, reader: str, applies_edits: bool) -> bool:
    """Return whether the first packets give the frames they promise; notes their picture."""
    from av.error import FFmpegError

    ordered = sorted(packets.pts)
    container, stream = open_container(path, reader=reader, applies_edits=applies_edits)
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


def decode_all(path: Path, *, reader: str, applies_edits: bool) -> Decoded:
    """Decode a file from its start to its end, past what cannot be decoded."""
    from av.error import FFmpegError

    decoded = Decoded()
    container, stream = open_container(path, reader=reader, applies_edits=applies_edits)
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


def _picture_of(frame: VideoFrame) -> Picture:
    # Read from the matrix itself: the angle that PyAV makes of it knows no mirror images.
    matrix = cast("Any", frame.side_data.get("DISPLAYMATRIX"))
    orientation, is_exact = (Orientation(), True) if matrix is None else orientation_of(matrix)
    num_bytes = sum(plane.buffer_size for plane in frame.planes)
    return Picture(
        size=orientation.size_of((frame.height, frame.width)),
        orientation=orientation,
        is_askew=not is_exact,
        pixel_format=frame.format.name,
        bytes_per_pixel=num_bytes / (frame.height * frame.width),
    )
