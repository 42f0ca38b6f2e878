"""What the views of one video share: its reader, its cache, its life."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeAlias, runtime_checkable

from videoseg.errors import VideoError
from videoseg.stages import (
    HasName,
    HasWarnings,
    InMemory,
    RandomAccess,
    ReadsBackward,
    VideoReader,
)
from videoseg.types import FloatArray, Frame, Size
from videoseg.video.cache import FrameCache

__all__ = ["GrowingReader", "ReaderFactory", "VideoCore"]

ReaderFactory: TypeAlias = Callable[[], VideoReader]
"""Opens the reader of a video, possibly again in another process."""


@runtime_checkable
class GrowingReader(Protocol):
    """A reader whose frames come from an iterator, so that the end is not known at first."""

    @property
    def num_frames_seen(self) -> int:
        """How many frames have arrived so far."""

    def has(self, index: int) -> bool:
        """Return whether the video reaches as far as a frame, waiting for it."""


class VideoCore:
    """Opens, shares, caches, and reopens in another process.

    Args:
        name: Short name of the video.
        path: Where it is read from, if anywhere.
        reader_name: The name of the reader.
        factory: Opens the reader again in another process; None where frames are in memory.
        reader: The reader, already open.
        cache_bytes: Bound on the decoded frames held.
        fps: Frames per second, replacing those of the source; None to keep them.
    """

    def __init__(
        self,
        name: str,
        path: str | None,
        *,
        reader_name: str,
        factory: ReaderFactory | None,
        reader: VideoReader,
        cache_bytes: int,
        fps: float | None,
    ) -> None:
        self.name = name
        self.path = path
        self._reader_name = reader_name
        self.fixed_fps = fps
        self._factory = factory
        self._reader: VideoReader | None = reader
        self._cache = FrameCache(cache_bytes)
        self._filling: Iterator[Frame] | None = None
        self._num_filled: int | None = None
        self._process = os.getpid()
        self._lock = threading.RLock()
        self._is_closed = False
        self.size: Size = reader.size

    def __getstate__(self) -> dict[str, Any]:
        if self._factory is None and isinstance(self._reader, GrowingReader):
            raise VideoError(
                f"{self.name} comes from an iterator and cannot be sent to another process; "
                "write it to a file with VideoWriter and open that there",
                path=self.path,
                reader=self.reader_name,
            )
        state = self.__dict__.copy()
        del state["_lock"]
        state["_cache"] = self._cache.max_bytes
        state["_filling"] = state["_num_filled"] = None
        if self._factory is not None:
            state["_reader"] = None
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._cache = FrameCache(state["_cache"])
        self._lock = threading.RLock()
        self._process = os.getpid()

    @property
    def reader_name(self) -> str:
        """The name of the reader that does the decoding."""
        return str(self._reader.name) if isinstance(self._reader, HasName) else self._reader_name

    @property
    def cache(self) -> FrameCache:
        """The decoded frames held."""
        return self._cache

    @property
    def is_closed(self) -> bool:
        """Whether the video has been closed."""
        return self._is_closed

    def reader(self) -> VideoReader:
        """Return the open reader of this process.

        Raises:
            VideoError: If the video has been closed or cannot be opened again.
        """
        if self._process != os.getpid():
            self._start_over_in_child()
        with self._lock:
            if self._is_closed:
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

    def is_in_memory(self) -> bool:
        """Whether reading a frame costs no decoding, so that caching it gains nothing."""
        return _is_in_memory(self.reader())

    def decode_in_order(self) -> None:
        """From now on, decode every frame up to the one that is asked for, and keep them all.

        That is the way to decode each frame once, where all will be needed and all fit into
        the cache; where they do not, nothing changes.
        """
        reader = self.reader()
        if isinstance(reader, GrowingReader) or self.is_in_memory():
            return
        fits = self._fits(len(reader.timestamps))
        with self._lock:
            if fits and self._num_filled is None:
                self._num_filled = 0

    def read(self, index: int) -> Frame:
        """Return the frame of a non-negative index that is known to exist."""
        reader = self.reader()
        if _is_in_memory(reader):
            return reader.read(index)
        frame = self._cache.get(index)
        if frame is None and self._num_filled is not None:
            self._fill_up_to(index)
            frame = self._cache.get(index)
        if frame is None:
            frame = _locked_up(reader.read(index))
            self._cache.put(index, frame)
        return frame

    def _fill_up_to(self, index: int) -> None:
        reader = self.reader()
        if isinstance(reader, RandomAccess) and reader.random_access:
            return
        with self._lock:
            if self._num_filled is None:
                return
            if self._filling is None:
                # What is held already from the beginning on need not be decoded again.
                while self._cache.get(self._num_filled) is not None:
                    self._num_filled += 1
                frames = range(self._num_filled, len(reader.timestamps))
                self._filling = self._decoded(frames, keep=True)
            try:
                while self._num_filled <= index:
                    next(self._filling)
                    self._num_filled += 1
            except VideoError:
                # Beyond a frame that cannot be decoded there may be others that can.
                self._filling = self._num_filled = None
            except BaseException:
                # A pass that was interrupted is at its end; the next one begins where it was.
                self._filling = None
                raise

    def iter_forward(self, start: int, stop: int) -> Iterator[Frame]:
        """Yield the frames [start, stop), from the cache as far as it goes."""
        if self.is_in_memory():
            yield from self.reader().iter_frames(start, stop)
            return
        if self._num_filled is not None:
            yield from map(self.read, range(start, stop))
            return
        # A pass longer than the cache would only push out what is worth keeping.
        keep = self._fits(stop - start)
        while start < stop and (cached := self._cache.get(start)) is not None:
            yield cached
            start += 1
        yield from self._decoded(range(start, stop), keep=keep)

    def iter_backward(self, start: int, stop: int) -> Iterator[Frame]:
        """Yield the frames from stop - 1 down to start, decoding group by group.

        What the cache holds at that end is taken from there.
        """
        reader = self.reader()
        if self._num_filled is not None:
            yield from map(self.read, range(stop - 1, start - 1, -1))
            return
        while stop > start and (cached := self._cache.get(stop - 1)) is not None:
            yield cached
            stop -= 1
        if stop == start:
            return
        if isinstance(reader, ReadsBackward):
            keep = self._fits(stop - start) and not self.is_in_memory()
            yield from self._decoded(range(stop - 1, start - 1, -1), keep=keep)
            return
        if self.is_in_memory():
            for index in range(stop - 1, start - 1, -1):
                yield reader.read(index)
            return
        most = max(1, self._cache.max_bytes // self._frame_bytes)
        while stop > start:
            first = max(start, stop - most)
            part = list(self._decoded(range(first, stop), keep=False))
            stop = first
            while part:
                yield part.pop()

    def _decoded(self, indices: range, *, keep: bool) -> Iterator[Frame]:
        """Yield frames as the reader decodes them, reopening it after a fork."""
        frames: Iterator[Frame] | None = None
        process = os.getpid()
        for index in indices:
            if frames is None or os.getpid() != process:
                # In a forked child the pass begun by the parent shares its place in the file.
                _leave_to_the_parent(frames)
                process = os.getpid()
                frames = self._pass(index, indices)
            frame = _locked_up(next(frames))
            if keep:
                self._cache.put(index, frame)
            yield frame

    def _pass(self, index: int, indices: range) -> Iterator[Frame]:
        reader: Any = self.reader()
        if indices.step > 0:
            return iter(reader.iter_frames(index, indices.stop))
        return iter(reader.iter_backward(indices.stop + 1, index + 1))

    def timestamps(self) -> FloatArray:
        """Return the times of all frames, shape (T,)."""
        return self.reader().timestamps

    def warnings(self) -> tuple[str, ...]:
        """Return what the reader has to say about the file."""
        reader = self.reader()
        return tuple(reader.warnings) if isinstance(reader, HasWarnings) else ()

    def close(self) -> None:
        """Release the reader and the cache. Closing twice does nothing."""
        if self._process != os.getpid():
            self._start_over_in_child()
        with self._lock:
            self._is_closed = True
            reader, self._reader = self._reader, None
            filling, self._filling = self._filling, None
        self._cache.clear()
        del filling
        if reader is not None:
            reader.close()

    def _fits(self, num_frames: int) -> bool:
        return num_frames * self._frame_bytes <= self._cache.max_bytes

    @property
    def _frame_bytes(self) -> int:
        return self.size[0] * self.size[1] * 3

    def _start_over_in_child(self) -> None:
        # Locks may have been held by threads that this process does not have.
        self._lock = threading.RLock()
        self._cache = FrameCache(self._cache.max_bytes)
        _leave_to_the_parent(self._filling)
        self._filling = None
        if self._num_filled is not None:
            self._num_filled = 0
        if self._reader is not None and self._factory is not None:
            _leave_to_the_parent(self._reader)
            self._reader = None
        self._process = os.getpid()


def _is_in_memory(reader: VideoReader) -> bool:
    return isinstance(reader, InMemory) and reader.in_memory


def _leave_to_the_parent(thing: object) -> None:
    """Keep something of the parent process from ever being freed in a forked child.

    Freeing a decoder there would wait for threads that only the parent has.
    """
    if thing is not None:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))


def _locked_up(frame: Frame) -> Frame:
    # Frames are shared through the cache; drawing into one would change it for everyone.
    if frame.flags.writeable:
        frame = frame.view()
        frame.flags.writeable = False
    return frame
