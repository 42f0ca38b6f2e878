"""Decoding video files with PyAV, exact to the frame.

A frame is known by its presentation time, never by how many frames were decoded before it.
Decoding therefore may start at any seek point, and frame 200 is the same picture whether it
is reached by playing on, by jumping there or by going backwards.

Decoders run on one thread each: a decoder with threads of its own hangs in a forked process.
Several may be open at once, so that two passes over one video do not push each other from
place to place.
"""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from videoseg.errors import VideoError
from videoseg.text import show_path
from videoseg.types import FloatArray, Frame, Size
from videoseg.video.container import open_container
from videoseg.video.index import FrameIndex, build_index
from videoseg.video.scanning import SeekPoint, frames_of

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

__all__ = ["PyavReader"]

_logger = logging.getLogger(__name__)

# Decoders kept open while no one uses them; each holds a file and a few reference frames.
_MAX_IDLE_CURSORS = 3


class PyavReader:
    """Reads a video file with PyAV.

    Args:
        path: The file.
        backward_bytes: Bound on the undecoded pictures held while going backwards.

    Raises:
        MissingDependencyError: If PyAV is not installed.
        VideoError: If the file is missing, empty, no video, or nothing in it can be decoded.
    """

    name = "pyav"

    def __init__(self, path: str | Path, *, backward_bytes: int = 128 * 2**20) -> None:
        self._path = Path(path)
        self._backward_bytes = backward_bytes
        self._index = build_index(self._path, reader=self.name)
        self._timestamps = self._index.timestamps
        self._size = self._index.size
        schedule = self._index.schedule
        self._positions: Sequence[int] = (
            range(self._index.num_frames) if schedule is None else schedule.positions
        )
        self._stand_ins: set[int] = set()
        self._resized: dict[int, Size] = {}
        self._idle: list[_Cursor] = []
        self._lock = threading.Lock()
        self._closed = False

    @property
    def size(self) -> Size:
        """(height, width) of the frames, rotation applied."""
        return self._size

    @property
    def index(self) -> FrameIndex:
        """Where the frames are in the file."""
        return self._index

    @property
    def fps(self) -> float:
        """Average frames per second."""
        return self._index.fps

    @property
    def timestamps(self) -> FloatArray:
        """Presentation time of every decodable frame in seconds from the first, shape (T,)."""
        return self._timestamps

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is wrong with the file, in words, as far as it has been read."""
        with self._lock:
            missing = sorted(self._stand_ins)
            resized = min(self._resized.items(), default=None)
        warnings = list(self._index.warnings)
        if missing:
            warnings.append(
                f"{self._path.name} is damaged: {len(missing)} frames cannot be decoded and the "
                f"ones before them stand in, the first at frame {missing[0]}"
            )
        if resized is not None:
            index, (height, width) = resized
            warnings.append(
                f"{self._path.name} changes its picture size: frame {index} is {width}x{height}, "
                f"and all are given as {self._size[1]}x{self._size[0]} like the first"
            )
        return tuple(warnings)

    def read(self, index: int) -> Frame:
        """Return one frame, RGB uint8, shape (H, W, 3).

        Raises:
            VideoError: If there is no such frame, it cannot be decoded, or the reader is closed.
        """
        if not 0 <= index < len(self._timestamps):
            raise VideoError(
                f"{self._path.name} has no frame {index}: it has {len(self._timestamps)}",
                path=str(self._path),
                frame=index,
                reader="pyav",
            )
        cursor = self._take(self._positions[index])
        try:
            return cursor.to_rgb(self._decode(cursor, index))
        finally:
            self._give_back(cursor)

    def iter_frames(self, start: int, stop: int) -> Iterator[Frame]:
        """Yield the frames [start, stop) in order, decoding each once."""
        if start >= stop:
            return
        cursor = self._take(self._positions[start])
        try:
            for index in range(start, stop):
                yield cursor.to_rgb(self._decode(cursor, index))
        finally:
            self._give_back(cursor)

    def iter_backward(self, start: int, stop: int) -> Iterator[Frame]:
        """Yield the frames from stop - 1 down to start.

        Each group of frames that is decoded from one seek point is decoded once where it
        fits in ``backward_bytes`` before conversion to RGB, and otherwise in several parts.
        """
        cursor = self._take(self._positions[start])
        try:
            while stop > start:
                part = self._backward_part(self._first_in_group(start, stop), stop)
                held = [self._decode(cursor, index) for index in part]
                stop -= len(held)
                while held:
                    yield cursor.to_rgb(held.pop())
        finally:
            self._give_back(cursor)

    def close(self) -> None:
        """Release the decoders."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for cursor in idle:
            cursor.close()

    def _first_in_group(self, start: int, stop: int) -> int:
        """Return from where on decoding straight on leads to the frame before ``stop``."""
        first = stop - 1
        group = self._index.group_start(self._positions[first])
        while first > start and group <= self._positions[first - 1] == self._positions[first] - 1:
            first -= 1
        return first

    def _backward_part(self, first: int, stop: int) -> range:
        height, width = self._size
        frame_bytes = height * width * self._index.bytes_per_pixel
        most = max(1, int(self._backward_bytes / frame_bytes))
        return range(max(first, stop - most), stop)

    def _decode(self, cursor: _Cursor, index: int) -> VideoFrame:
        frame, is_stand_in = cursor.advance_to(self._positions[index])
        size = self._index.orientation.size_of((frame.height, frame.width))
        if is_stand_in or size != self._size:
            with self._lock:
                if is_stand_in:
                    self._stand_ins.add(index)
                if size != self._size:
                    self._resized[index] = size
        return frame

    def _take(self, index: int) -> _Cursor:
        with self._lock:
            if self._closed:
                raise VideoError(
                    f"{show_path(self._path)} has been closed; open it again to read "
                    f"frame {index}",
                    path=str(self._path),
                    frame=index,
                    reader=self.name,
                )
            ready = [cursor for cursor in self._idle if cursor.can_play_on_to(index)]
            if ready:
                best = max(ready, key=lambda cursor: cursor.next_index)
                self._idle.remove(best)
                return best
            if len(self._idle) >= _MAX_IDLE_CURSORS:
                return self._idle.pop(0)
        return _Cursor(self._path, self._index)

    def _give_back(self, cursor: _Cursor) -> None:
        with self._lock:
            if not self._closed and len(self._idle) < _MAX_IDLE_CURSORS:
                self._idle.append(cursor)
                return
        cursor.close()


@functools.lru_cache(maxsize=1)
def _one_thread() -> dict[str, int]:
    """Return what keeps the conversion of pictures from starting threads."""
    from av.video.frame import VideoFrame
    from av.video.reformatter import VideoReformatter

    options = {"threads": 1}
    try:
        VideoReformatter().reformat(VideoFrame(2, 2, "yuv420p"), format="rgb24", **options)
    except TypeError:
        # Versions of PyAV that cannot be told have a conversion without threads.
        return {}
    return options


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
        orientation = self._index.orientation
        height, width = orientation.size_of(self._index.size)
        picture: Any = self._converter.reformat(
            frame, width=width, height=height, format="rgb24", **_one_thread()
        ).to_ndarray()
        # Rows come padded where their length is no multiple of what the processor likes.
        rgb = orientation.upright(picture)
        rgb.flags.writeable = False
        return rgb

    def _open(self) -> None:
        from av.video.reformatter import VideoReformatter

        self._container, self._stream = open_container(
            self._path, reader="pyav", applies_edits=self._index.schedule is None
        )
        self._stream.codec_context.thread_count = 1
        self._converter = VideoReformatter()
        self._frames = self._from_packets(None, self._container.demux(self._stream), 0)
        self._last = self._pending = None
        self.next_index = 0

    def _jump_before(self, index: int) -> None:
        """Place the decoder so that the next frames lead to an index."""
        point = self._index.seek_point_before(index) if self._index.can_seek else -1
        # A first point has nothing before it that it could do without.
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
        # Containers seek by one or the other; the wrong one lands a whole group off.
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
        # A stream may call a place a start where pictures mend themselves little by little,
        # or the picture there may be damaged: what follows would depend on how one came there.
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

        Frames below it lean on frames before the seek point, which were not decoded.
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
                    # In a sound file this changes nothing. In a damaged one it keeps errors
                    # from leaking into the next group, where a jump would not bring them.
                    frames += self._emptied()
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
        # What an edit list leaves out may carry the time of a frame that it shows elsewhere.
        is_start = packet.is_keyframe and not packet.is_discard
        return is_start and packet.pts in self._index.fresh_starts

    def _emptied(self) -> list[VideoFrame]:
        """Take the last pictures out of the decoder and make it forget everything."""
        context = self._stream.codec_context
        try:
            return list(context.decode(None))
        finally:
            context.flush_buffers()
