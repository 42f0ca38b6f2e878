"""The open reader and the decoded frames that all views of one video share."""

from __future__ import annotations

import ctypes
import logging
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from videoseg.errors import ConfigError, VideoError
from videoseg.stages import (
    HasFps,
    HasName,
    HasWarnings,
    InMemory,
    RandomAccess,
    ReadsBackward,
    VideoReader,
)
from videoseg.types import FloatArray, Frame, Size
from videoseg.video.arrays import DEFAULT_FPS, uniform_timestamps
from videoseg.video.iterators import IteratorReader

__all__ = ["FrameCache", "FrameStore", "ReaderFactory"]

_logger = logging.getLogger(__name__)

ReaderFactory: TypeAlias = Callable[[], VideoReader]
"""Opens the reader of a video, possibly again in another process."""


class FrameCache:
    """The most recently used frames, within a number of bytes. Thread-safe.

    Args:
        max_bytes: Upper bound on the bytes of the frames held; 0 keeps nothing.

    Raises:
        ConfigError: If ``max_bytes`` is negative.
    """

    def __init__(self, max_bytes: int) -> None:
        if max_bytes < 0:
            raise ConfigError(f"cache_bytes must be at least 0, got {max_bytes}")
        self.max_bytes = max_bytes
        self.num_bytes = 0
        self._frames: OrderedDict[int, Frame] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, index: int) -> Frame | None:
        """Return a frame and mark it as used, or None if it is not held."""
        with self._lock:
            frame = self._frames.get(index)
            if frame is not None:
                self._frames.move_to_end(index)
            return frame

    def put(self, index: int, frame: Frame) -> None:
        """Hold a frame and drop those used longest ago. A frame above the bound is not held."""
        if frame.nbytes > self.max_bytes:
            return
        with self._lock:
            old = self._frames.pop(index, None)
            if old is not None:
                self.num_bytes -= old.nbytes
            self._frames[index] = frame
            self.num_bytes += frame.nbytes
            while self.num_bytes > self.max_bytes:
                _, oldest = self._frames.popitem(last=False)
                self.num_bytes -= oldest.nbytes

    def clear(self) -> None:
        """Drop every frame."""
        with self._lock:
            self._frames.clear()
            self.num_bytes = 0


class FrameStore:
    """Opens a reader, shares it between views, caches frames, and reopens after a fork.

    Args:
        name: Short name of the video.
        path: The file or folder, if there is one.
        reader_name: Name of the reader.
        factory: Opens the reader, also in another process; None for frames in memory.
        reader: The reader of frames in memory; by default what ``factory`` opens.
        cache_bytes: Bound on the decoded frames held.
        fps: Frames per second, replacing those of the source; None to keep them.
    """

    def __init__(
        self,
        name: str,
        path: str | None = None,
        *,
        reader_name: str,
        factory: ReaderFactory | None = None,
        reader: VideoReader | None = None,
        cache_bytes: int = 0,
        fps: float | None = None,
    ) -> None:
        self.name = name
        self.path = path
        self._fps = fps
        self.is_closed = False
        self._reader_name = reader_name
        self._factory = factory
        self._reader = reader
        self._cache = FrameCache(cache_bytes)
        # In order, the frames below ``_num_filled`` are held, and one pass yields the next ones:
        # a reader of a plug-in may need a seek for every pass. One thread at a time decodes,
        # which need not be the one that waits for a frame.
        self._filling: Iterator[Frame] | None = None
        self._num_filled: int | None = None
        self._is_filling = False
        self._filled = threading.Condition()
        self._process = os.getpid()
        self._lock = threading.RLock()
        self.size: Size = self.reader().size

    def __getstate__(self) -> dict[str, Any]:
        if self._factory is None and isinstance(self._reader, IteratorReader):
            raise VideoError(
                f"{self.name} comes from an iterator and cannot be sent to another process; "
                "write it to a file with VideoWriter and open that there",
                path=self.path,
                reader=self.reader_name,
            )
        state = self.__dict__.copy()
        del state["_lock"], state["_filled"]
        state["_cache"] = self._cache.max_bytes
        state["_filling"] = state["_num_filled"] = None
        state["_is_filling"] = False
        if self._factory is not None:
            state["_reader"] = None
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._cache = FrameCache(state["_cache"])
        self._lock = threading.RLock()
        self._filled = threading.Condition()
        self._process = os.getpid()

    @property
    def reader_name(self) -> str:
        """The name of the reader that does the decoding."""
        return str(self._reader.name) if isinstance(self._reader, HasName) else self._reader_name

    @property
    def num_frames(self) -> int:
        """The number of frames; of a live source, of those that have arrived."""
        return len(self.reader().timestamps)

    @property
    def timestamps(self) -> FloatArray:
        """The times of all frames in seconds from the first, shape (T,)."""
        times = self.reader().timestamps
        return times if self._fps is None else uniform_timestamps(len(times), self._fps)

    @property
    def fps(self) -> float:
        """Average frames per second."""
        if self._fps is not None:
            return self._fps
        reader = self.reader()
        if isinstance(reader, HasFps) and (rate := float(reader.fps)):
            return rate
        times = reader.timestamps
        span = float(times[-1] - times[0])
        return (len(times) - 1) / span if span > 0 else DEFAULT_FPS

    def time_of(self, index: int) -> float:
        """Return the time of a frame in seconds from the first."""
        return float(self.reader().timestamps[index]) if self._fps is None else index / self._fps

    @property
    def warnings(self) -> tuple[str, ...]:
        """The reader's warnings about the source."""
        reader = self.reader()
        return tuple(reader.warnings) if isinstance(reader, HasWarnings) else ()

    def reader(self) -> VideoReader:
        """Return the open reader of this process.

        Raises:
            VideoError: If the video has been closed or cannot be opened again.
        """
        if self._process != os.getpid():
            self._reset_in_child()
        with self._lock:
            if self.is_closed:
                raise VideoError(
                    f"{self.name} has been closed; open it again to read it",
                    path=self.path,
                    reader=self.reader_name,
                )
            if self._reader is None:
                if self._factory is None:
                    raise VideoError(f"{self.name} cannot be opened again", path=self.path)
                self._reader = self._factory()
            return self._reader

    def close(self) -> None:
        """Release the reader and the cache. Closing twice does nothing."""
        if self._process != os.getpid():
            self._reset_in_child()
        with self._lock:
            self.is_closed = True
            reader, self._reader = self._reader, None
        with self._filled:
            # A reader need not bear being closed while it decodes.
            self._filled.wait_for(lambda: not self._is_filling)
            self._filling = None
        self._cache.clear()
        if reader is not None:
            reader.close()

    def decode_in_order(self) -> None:
        """Decode all frames in order from now on, in a thread of its own, and keep them.

        Each frame is then decoded once. Nothing changes if the video does not fit into the
        cache.
        """
        reader = self.reader()
        if isinstance(reader, IteratorReader) or self._is_in_memory():
            return
        if not self._fits(len(reader.timestamps)):
            return
        with self._filled:
            if self._num_filled is not None:
                return
            self._num_filled = 0
        if not _is_random_access(reader):
            # Whoever needs a frame that it has not reached waits for it, and meets its errors.
            threading.Thread(target=self._fill_ahead, name="decoding", daemon=True).start()

    def read(self, index: int) -> Frame:
        """Return the frame of a non-negative index that is known to exist."""
        reader = self.reader()
        if self._is_in_memory():
            return reader.read(index)
        frame = self._cache.get(index)
        if frame is None and self._num_filled is not None:
            self._fill_up_to(index)
            frame = self._cache.get(index)
        if frame is None:
            frame = _read_only(reader.read(index))
            self._cache.put(index, frame)
        return frame

    def iterate(self, indices: range) -> Iterator[Frame]:
        """Yield the frames of a range of step 1 or -1, from the cache as far as it goes.

        The others are decoded in one pass, or group by group if the reader cannot go backwards.
        """
        reader = self.reader()
        in_one_pass = indices.step > 0 or isinstance(reader, ReadsBackward)
        if self._is_in_memory():
            yield from _start_pass(reader, indices) if in_one_pass else map(reader.read, indices)
            return
        if self._num_filled is not None:
            yield from map(self.read, indices)
            return
        # A pass longer than the cache would only push out what is worth keeping.
        keep = self._fits(len(indices))
        while indices and (cached := self._cache.get(indices[0])) is not None:
            yield cached
            indices = indices[1:]
        if in_one_pass:
            yield from self._decode(indices, keep=keep)
            return
        most = max(1, self._cache.max_bytes // self._frame_bytes)
        while indices:
            part = list(self._decode(indices[:most][::-1], keep=False))
            indices = indices[most:]
            while part:
                yield part.pop()

    def _fill_ahead(self) -> None:
        """Decode all frames, until the video is closed."""
        try:
            for index in range(self.num_frames):
                self._fill_up_to(index)
        except Exception as error:
            # Whoever needs the frame meets the error again. It may be that of a closed video.
            _logger.debug("%s: decoding ahead ended: %s", self.name, error)

    def _fill_up_to(self, index: int) -> None:
        """Decode the frames up to one, or wait until another thread has."""
        reader = self.reader()
        if _is_random_access(reader):
            return
        is_mine = False
        try:
            with self._filled:
                self._filled.wait_for(lambda: self._is_held(index) or not self._is_filling)
                if self._is_held(index):
                    return
                # In this order, so that Ctrl-C between the two leaves nobody waiting.
                is_mine = True
                self._is_filling = True
            self._fill(reader, index)
        finally:
            if is_mine:
                with self._filled:
                    self._is_filling = False
                    self._filled.notify_all()

    def _is_held(self, index: int) -> bool:
        return self._num_filled is None or self._num_filled > index

    def _fill(self, reader: VideoReader, index: int) -> None:
        if self._num_filled is None:
            return
        if self._filling is None:
            # Frames already held from the beginning on need not be decoded again.
            while self._cache.get(self._num_filled) is not None:
                self._num_filled += 1
            frames = range(self._num_filled, len(reader.timestamps))
            self._filling = self._decode(frames, keep=True)
        try:
            while self._num_filled <= index and not self.is_closed:
                next(self._filling)
                with self._filled:
                    self._num_filled += 1
                    self._filled.notify_all()
        except VideoError:
            # Frames behind one that cannot be decoded may still be readable one by one.
            self._filling = self._num_filled = None
        except BaseException:
            # An interrupted generator is finished; the next pass continues from here.
            self._filling = None
            raise

    def _decode(self, indices: range, *, keep: bool) -> Iterator[Frame]:
        """Yield frames as the reader decodes them, reopening it after a fork."""
        frames: Iterator[Frame] | None = None
        process = os.getpid()
        for place, index in enumerate(indices):
            if frames is None or os.getpid() != process:
                # In a forked child the parent's pass shares its position in the file.
                _never_free(frames)
                process = os.getpid()
                frames = _start_pass(self.reader(), indices[place:])
            frame = _read_only(next(frames))
            if keep:
                self._cache.put(index, frame)
            yield frame

    def _is_in_memory(self) -> bool:
        # Reading a frame then costs no decoding, so that caching it gains nothing.
        reader = self.reader()
        return isinstance(reader, InMemory) and reader.in_memory

    def _fits(self, num_frames: int) -> bool:
        return num_frames * self._frame_bytes <= self._cache.max_bytes

    @property
    def _frame_bytes(self) -> int:
        return self.size[0] * self.size[1] * 3

    def _reset_in_child(self) -> None:
        # Locks may have been held by threads that a forked process does not have.
        self._lock = threading.RLock()
        self._filled = threading.Condition()
        self._cache = FrameCache(self._cache.max_bytes)
        _never_free(self._filling)
        self._filling = None
        self._is_filling = False
        if self._num_filled is not None:
            self._num_filled = 0
        if self._reader is not None and self._factory is not None:
            _never_free(self._reader)
            self._reader = None
        self._process = os.getpid()


def _is_random_access(reader: VideoReader) -> bool:
    return isinstance(reader, RandomAccess) and reader.random_access


def _start_pass(reader: Any, indices: range) -> Iterator[Frame]:
    if indices.step > 0:
        return iter(reader.iter_frames(indices.start, indices.stop))
    return iter(reader.iter_backward(indices.stop + 1, indices.start + 1))


def _never_free(value: object) -> None:
    """Keep an object of the parent process alive in a forked child.

    Freeing a decoder there would wait for threads that only the parent has.
    """
    if value is not None:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(value))


def _read_only(frame: Frame) -> Frame:
    # Frames are shared through the cache; drawing into one would change it for every reader.
    if frame.flags.writeable:
        frame = frame.view()
        frame.flags.writeable = False
    return frame
