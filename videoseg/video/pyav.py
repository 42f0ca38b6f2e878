"""Decoding video files with PyAV, exact to the frame.

A frame is identified by its presentation time, never by how many frames were decoded before
it. Decoding may therefore start at any seek point, and frame 200 is the same picture whether
it is reached by playing on, by jumping there or by going backwards.

Decoders run on one thread each: a decoder with threads of its own hangs in a forked process.
Several may be open at once, so that two passes over one video do not move each other's place.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, cast

from videoseg.errors import VideoError
from videoseg.text import show_path
from videoseg.types import FloatArray, Frame, Size
from videoseg.video.container import open_container
from videoseg.video.index import FrameIndex, build_index
from videoseg.video.scan import SeekPoint, frames_of

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

__all__ = ["DecoderPool", "PyavReader"]

_logger = logging.getLogger(__name__)

# Decoders kept open while unused; each holds a file and a few reference frames.
_MAX_IDLE_CURSORS = 3


class Decoder(Protocol):
    """A decoder at one place in a file."""

    next_index: int

    def can_play_on_to(self, index: int, /) -> bool:
        """Return whether decoding on from here is the way to a frame."""

    def close(self) -> None:
        """Release the file."""


_DecoderT = TypeVar("_DecoderT", bound=Decoder)


class DecoderPool(Generic[_DecoderT]):
    """The idle decoders of one file, lent to one pass at a time.

    Args:
        path: The file.
        open_decoder: Opens another decoder.
        max_idle: How many unused decoders are kept open.
        reader: The name of the reader, for errors.
    """

    def __init__(
        self, path: Path, open_decoder: Callable[[], _DecoderT], *, max_idle: int, reader: str
    ) -> None:
        self._path = path
        self._open_decoder = open_decoder
        self._max_idle = max_idle
        self._reader = reader
        self._idle: list[_DecoderT] = []
        self._lock = threading.Lock()
        self._closed = False

    @contextlib.contextmanager
    def borrow(self, index: int) -> Iterator[_DecoderT]:
        """Lend the idle decoder nearest before a frame, or another one.

        Raises:
            VideoError: If the pool is closed, or no decoder can be opened.
        """
        decoder = self._take(index) or self._open_decoder()
        try:
            yield decoder
        finally:
            with self._lock:
                keep = not self._closed and len(self._idle) < self._max_idle
                if keep:
                    self._idle.append(decoder)
            if not keep:
                decoder.close()

    def close(self) -> None:
        """Close the idle decoders now and lent ones when they come back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for decoder in idle:
            decoder.close()

    def _take(self, index: int) -> _DecoderT | None:
        with self._lock:
            if self._closed:
                raise VideoError(
                    f"{show_path(self._path)} has been closed; open it again to read "
                    f"frame {index}",
                    path=str(self._path),
                    frame=index,
                    reader=self._reader,
                )
            ready = [decoder for decoder in self._idle if decoder.can_play_on_to(index)]
            if ready:
                best = min(ready, key=lambda decoder: abs(decoder.next_index - index))
                self._idle.remove(best)
                return best
            return self._idle.pop(0) if len(self._idle) >= self._max_idle else None


class PyavReader:
    """Reads a video file with PyAV.

    Args:
        path: The file.
        backward_bytes: Bound on the decoded pictures held while going backwards, before their
            conversion to RGB.

    Attributes:
        index: Where the frames are in the file.
        size: (height, width) of the frames, rotation applied.
        fps: Average frames per second.
        timestamps: Presentation time of every decodable frame in seconds from the first,
            shape (T,).

    Raises:
        MissingDependencyError: If PyAV is not installed.
        VideoError: If the file is missing, empty, no video, or nothing in it can be decoded.
    """

    name = "pyav"

    def __init__(self, path: str | Path, *, backward_bytes: int = 128 * 2**20) -> None:
        self._path = Path(path)
        self._backward_bytes = backward_bytes
        self.index = build_index(self._path)
        self.size: Size = self.index.format.size
        self.fps = self.index.fps
        self.timestamps: FloatArray = self.index.timestamps
        schedule = self.index.schedule
        self._positions: Sequence[int] = (
            range(self.index.num_frames) if schedule is None else schedule.positions
        )
        self._stand_ins: set[int] = set()
        self._resized: dict[int, Size] = {}
        self._lock = threading.Lock()
        self._cursors = DecoderPool(
            self._path,
            functools.partial(_Cursor, self._path, self.index),
            max_idle=_MAX_IDLE_CURSORS,
            reader="pyav",
        )

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is wrong with the file, as far as it has been read, one sentence each."""
        with self._lock:
            missing = sorted(self._stand_ins)
            resized = min(self._resized.items(), default=None)
        warnings = list(self.index.warnings)
        if missing:
            warnings.append(
                f"{self._path.name} is damaged: {len(missing)} frames cannot be decoded and the "
                f"ones before them stand in, the first at frame {missing[0]}"
            )
        if resized is not None:
            index, (height, width) = resized
            warnings.append(
                f"{self._path.name} changes its picture size: frame {index} is {width}x{height}, "
                f"and all are given as {self.size[1]}x{self.size[0]} like the first"
            )
        return tuple(warnings)

    def read(self, index: int) -> Frame:
        """Return one frame, RGB uint8, shape (H, W, 3).

        Raises:
            VideoError: If there is no such frame, it cannot be decoded, or the reader is closed.
        """
        if not 0 <= index < len(self.timestamps):
            raise VideoError(
                f"{self._path.name} has no frame {index}: it has {len(self.timestamps)}",
                path=str(self._path),
                frame=index,
                reader="pyav",
            )
        with self._cursors.borrow(self._positions[index]) as cursor:
            return cursor.to_rgb(self._decode(cursor, index))

    def iter_frames(self, start: int, stop: int) -> Iterator[Frame]:
        """Yield the frames [start, stop) in order, decoding each once."""
        if start >= stop:
            return
        with self._cursors.borrow(self._positions[start]) as cursor:
            for index in range(start, stop):
                yield cursor.to_rgb(self._decode(cursor, index))

    def iter_backward(self, start: int, stop: int) -> Iterator[Frame]:
        """Yield the frames from stop - 1 down to start.

        Each group of frames that is decoded from one seek point is decoded once where it
        fits in ``backward_bytes``, and otherwise in several parts.
        """
        with self._cursors.borrow(self._positions[start]) as cursor:
            while stop > start:
                held = [self._decode(cursor, index) for index in self._backward_part(start, stop)]
                stop -= len(held)
                while held:
                    yield cursor.to_rgb(held.pop())

    def close(self) -> None:
        """Release the decoders."""
        self._cursors.close()

    def _backward_part(self, start: int, stop: int) -> range:
        """Return the frames before ``stop`` that one pass from their seek point decodes."""
        first = stop - 1
        group = self.index.group_start(self._positions[first])
        while first > start and group <= self._positions[first - 1] == self._positions[first] - 1:
            first -= 1
        height, width = self.size
        frame_bytes = height * width * self.index.format.bytes_per_pixel
        most = max(1, int(self._backward_bytes / frame_bytes))
        return range(max(first, stop - most), stop)

    def _decode(self, cursor: _Cursor, index: int) -> VideoFrame:
        frame, is_stand_in = cursor.advance_to(self._positions[index])
        size = self.index.format.orientation.size_of((frame.height, frame.width))
        if is_stand_in or size != self.size:
            with self._lock:
                if is_stand_in:
                    self._stand_ins.add(index)
                if size != self.size:
                    self._resized[index] = size
        return frame


class _Cursor:
    """One decoder at one place in the file."""

    def __init__(self, path: Path, index: FrameIndex) -> None:
        self._path = path
        self._index = index
        self._last: VideoFrame | None = None
        self._pending: tuple[int, VideoFrame] | None = None
        self._open()

    def close(self) -> None:
        self._container.close()

    def can_play_on_to(self, index: int) -> bool:
        """Return whether decoding on from here is the way to a frame."""
        if index < self.next_index:
            return False
        # A seek point between here and there saves decoding what lies before it.
        return not self._index.can_seek or self._index.group_start(index) <= self.next_index

    def advance_to(self, index: int) -> tuple[VideoFrame, bool]:
        """Return the frame of an index, decoding on from here or from a seek point.

        Returns:
            The frame, and whether it is the one before standing in for a damaged one.

        Raises:
            VideoError: If neither it nor any frame before it can be decoded.
        """
        if not self.can_play_on_to(index):
            self._jump_before(index)
        while True:
            if self._pending is None:
                self._pending = next(self._frames, None)
            if self._pending is None or self._pending[0] > index:
                break
            found, self._last = self._pending
            self._pending = None
            self.next_index = found + 1
            if found == index:
                return self._last, False
        if self._last is None:
            raise VideoError(
                f"frame {index} of {show_path(self._path)} cannot be decoded, nor can any "
                "before it; copy or download the file again",
                path=str(self._path),
                frame=index,
                reader="pyav",
            )
        self.next_index = index + 1
        return self._last, True

    def to_rgb(self, frame: VideoFrame) -> Frame:
        """Convert a decoded frame to RGB, upright."""
        orientation = self._index.format.orientation
        height, width = orientation.size_of(self._index.format.size)
        picture: Any = self._converter.reformat(
            frame, width=width, height=height, format="rgb24", threads=1
        ).to_ndarray()
        # Rows are padded to a multiple of what vector instructions need.
        rgb = orientation.upright(picture)
        rgb.flags.writeable = False
        return rgb

    def _open(self) -> None:
        from av.video.reformatter import VideoReformatter

        self._container, self._stream = open_container(
            self._path, applies_edits=self._index.schedule is None
        )
        self._stream.codec_context.thread_count = 1
        self._converter = VideoReformatter()
        self._frames = self._from_packets(None, self._container.demux(self._stream), 0)
        self._last = self._pending = None
        self.next_index = 0

    def _jump_before(self, index: int) -> None:
        """Place the decoder so that the next frames lead to an index."""
        point = self._index.seek_point_before(index) if self._index.can_seek else -1
        # The first point is the start of the file.
        while point > 0:
            if self._start_from(self._index.seek_points[point], index):
                return
            self._index.unusable.add(point)
            point = self._index.seek_point_before(index)
        self.close()
        self._open()

    def _start_from(self, point: SeekPoint, index: int) -> bool:
        """Seek, and return whether decoding from there leads to an index without error."""
        from av.video.frame import PictureType

        self._last = self._pending = None
        # Containers seek by one or the other; the wrong one is a whole group off.
        for timestamp in dict.fromkeys((point.pts, point.dts)):
            landing = self._land(timestamp)
            if landing is not None and landing[0].pts == point.pts:
                break
        if landing is None:
            return False
        first, packets = landing
        floor = self._index.first_at(cast("int", first.pts))
        if floor > index:
            return False
        self._frames = self._from_packets(first, packets, floor)
        self._pending = next(self._frames, None)
        if self._pending is None:
            return False
        # A stream may mark a place as a start where pictures are refreshed gradually, or the
        # picture there may be damaged: the frames behind it would depend on the way there.
        found, frame = self._pending
        whole = frame.pict_type in (PictureType.I, PictureType.SI, PictureType.NONE)
        self.next_index = floor
        return found == floor and whole and not frame.is_corrupt

    def _land(
        self, timestamp: int
    ) -> tuple[Packet[VideoStream], Iterator[Packet[VideoStream]]] | None:
        """Seek and return the keyframe's packet that comes first, and those behind it."""
        from av.error import FFmpegError

        try:
            self._container.seek(timestamp, stream=self._stream, backward=True, any_frame=False)
            packets = self._container.demux(self._stream)
            first = next(packets)
            while first.size and not first.is_keyframe:
                first = next(packets)
        except (FFmpegError, StopIteration):
            return None
        # Where an edit list plays parts in another order, times do not ascend in the file and
        # the search for one may end at a frame that is left out.
        return None if first.pts is None or first.is_discard else (first, packets)

    def _from_packets(
        self, first: Any, packets: Iterator[Any], floor: int
    ) -> Iterator[tuple[int, VideoFrame]]:
        """Yield (index, frame) in order of presentation, none below ``floor``.

        Frames below it depend on frames before the seek point, which were not decoded.
        """
        from av.error import FFmpegError

        count = 0
        packet = first
        while True:
            if packet is None:
                try:
                    packet = next(packets)
                except (FFmpegError, StopIteration):
                    return
            frames: list[VideoFrame] = []
            try:
                if packet is not first and self._is_fresh_start(packet):
                    # This changes nothing in an intact file. In a damaged one it keeps errors
                    # out of the next group, as a jump there would.
                    frames += self._flush()
                frames += frames_of(packet)
            except FFmpegError as error:
                _logger.debug("%s: a packet cannot be decoded: %s", self._path, error)
            packet = None
            for frame in frames:
                if not self._index.can_seek:
                    yield count, frame
                    count += 1
                elif frame.pts is not None:
                    index = self._index.index_of(frame.pts)
                    if index is not None and index >= floor:
                        yield index, frame

    def _is_fresh_start(self, packet: Packet[VideoStream]) -> bool:
        # A frame that an edit list leaves out may have the time of one that it shows elsewhere.
        is_start = packet.is_keyframe and not packet.is_discard
        return is_start and packet.pts in self._index.fresh_starts

    def _flush(self) -> list[VideoFrame]:
        """Take the last pictures out of the decoder and reset it."""
        context = self._stream.codec_context
        try:
            return list(context.decode(None))
        finally:
            context.flush_buffers()
