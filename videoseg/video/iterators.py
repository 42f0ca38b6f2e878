"""Videos that arrive frame by frame from an iterator."""

from __future__ import annotations

import os
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import IO, Any

import numpy as np

from videoseg.errors import ShapeError, VideoError
from videoseg.stages import Closable
from videoseg.types import FloatArray, Frame, Size
from videoseg.video.arrays import rgb_frame, uniform_timestamps

__all__ = ["LiveReader", "SpoolReader"]


class _Intake:
    """Takes frames from an iterator one at a time and checks that they stay alike."""

    def __init__(self, iterable: Iterable[Any]) -> None:
        self._iterator = iter(iterable)
        self._process = os.getpid()
        self._ended = False
        self._num_seen = 0
        self._size: Size | None = None

    @property
    def ended(self) -> bool:
        return self._ended

    @property
    def num_seen(self) -> int:
        return self._num_seen

    @property
    def is_owner(self) -> bool:
        """Whether this is the process that the iterator belongs to."""
        return os.getpid() == self._process

    def next(self) -> Frame | None:
        """Return the next frame, or None at the end."""
        if self._ended:
            return None
        index = self._num_seen
        if not self.is_owner:
            raise VideoError(
                f"frame {index} has not arrived yet and this process cannot wait for it: the "
                "iterator belongs to the process that opened the video; read the frames there "
                "first, or write them to a file and open that",
                frame=index,
                reader="iterator",
            )
        try:
            picture = next(self._iterator)
        except StopIteration:
            self._ended = True
            return None
        except VideoError:
            raise
        except Exception as error:
            raise VideoError(
                f"the iterator failed at frame {index}: {type(error).__name__}: {error}",
                frame=index,
                reader="iterator",
            ) from error
        frame = rgb_frame(picture, name=f"frame {index}")
        size = (frame.shape[0], frame.shape[1])
        if self._size is None:
            self._size = size
        elif size != self._size:
            raise ShapeError(
                f"frame {index}",
                actual=frame.shape,
                expected=f"({self._size[0]}, {self._size[1]}, 3) like frame 0",
            )
        if np.may_share_memory(frame, np.asarray(picture)):
            # A camera or a decoder may well fill the same array again for the next frame.
            frame = frame.copy()
            frame.flags.writeable = False
        self._num_seen += 1
        return frame

    def drop(self) -> None:
        """Let go of the iterator; what was not taken from it never will be."""
        self._ended = True
        if isinstance(self._iterator, Closable) and self.is_owner:
            self._iterator.close()
        self._iterator = iter(())


class SpoolReader:
    """Random access to a finite iterator: what has been seen is kept, in a file if need be.

    The iterator is consumed only as far as asked. Questions about the whole (the number of
    frames, timestamps) consume it to its end.

    Args:
        iterable: Yields pictures of one size, uint8.
        fps: Frames per second.
        memory_bytes: Frames beyond this many bytes go to a temporary file, which disappears
            when the reader is closed or the process ends.

    Raises:
        VideoError: If the iterator is empty or fails.
        ShapeError: If a frame has another size than the first.
    """

    in_memory = True

    def __init__(self, iterable: Iterable[Any], *, fps: float, memory_bytes: int) -> None:
        self._intake = _Intake(iterable)
        self._fps = fps
        self._memory_bytes = memory_bytes
        self._frames: list[Frame] = []
        self._file: IO[bytes] | None = None
        self._lock = threading.RLock()
        self._closed = False
        first = self._advance()
        if not first:
            raise VideoError("a video needs at least one frame, the iterator gave none")
        height, width = self._frames[0].shape[:2]
        self._size: Size = (height, width)

    @property
    def size(self) -> Size:
        """(height, width) of the frames."""
        return self._size

    @property
    def timestamps(self) -> FloatArray:
        """Times of all frames in seconds, shape (T,). Consumes the iterator to its end."""
        with self._own_lock():
            while self._advance():
                pass
            return uniform_timestamps(self._intake.num_seen, self._fps)

    @property
    def num_frames_seen(self) -> int:
        """How many frames have been taken from the iterator so far."""
        return self._intake.num_seen

    def has(self, index: int) -> bool:
        """Return whether the video reaches as far as a frame, consuming up to it."""
        with self._own_lock():
            while self._intake.num_seen <= index:
                if not self._advance():
                    return False
            return True

    def read(self, index: int) -> Frame:
        """Return one frame, RGB uint8, shape (H, W, 3), consuming the iterator up to it.

        Raises:
            VideoError: If the iterator ends before it.
        """
        with self._own_lock():
            if not self.has(index):
                raise VideoError(
                    f"there is no frame {index}: the iterator ended after "
                    f"{self._intake.num_seen} frames",
                    frame=index,
                    reader="iterator",
                )
            if index < len(self._frames):
                return self._frames[index]
            return self._from_file(index)

    def iter_frames(self, start: int, stop: int) -> Iterator[Frame]:
        """Yield the frames [start, stop) in order."""
        for index in range(start, stop):
            yield self.read(index)

    def close(self) -> None:
        """Remove the temporary file and let go of the frames and the iterator."""
        with self._own_lock():
            self._closed = True
            self._intake.drop()
            self._frames.clear()
            if self._file is not None:
                self._file.close()
                self._file = None

    def _own_lock(self) -> threading.RLock:
        # A lock that some thread held while the process was forked stays locked for ever in
        # the child, where nothing is written any more; the child takes one of its own.
        if not self._intake.is_owner and getattr(self, "_child", None) != os.getpid():
            self._lock = threading.RLock()
            self._child = os.getpid()
        return self._lock

    def _advance(self) -> bool:
        frame = self._intake.next()
        if frame is None:
            return False
        held = len(self._frames)
        if self._file is None and (held == 0 or (held + 1) * frame.nbytes <= self._memory_bytes):
            self._frames.append(frame)
            return True
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="videoseg-")  # noqa: SIM115
        try:
            self._file.seek((self._intake.num_seen - 1 - held) * frame.nbytes)
            self._file.write(frame.data)
            self._file.flush()
        except OSError as error:
            raise VideoError(
                f"frame {self._intake.num_seen - 1} cannot be kept in a temporary file in "
                f"{tempfile.gettempdir()} ({error.strerror}); free space there, set TMPDIR to "
                "another folder, or use live=True where frames need not be kept",
                frame=self._intake.num_seen - 1,
                reader="iterator",
            ) from error
        return True

    def _from_file(self, index: int) -> Frame:
        if self._file is None:
            raise VideoError(
                f"frame {index} is gone: the video has been closed", frame=index, reader="iterator"
            )
        height, width = self._size
        num_bytes = height * width * 3
        offset = (index - len(self._frames)) * num_bytes
        if hasattr(os, "pread"):
            # Unlike seek and read this does not move the position that a forked process shares.
            data = os.pread(self._file.fileno(), num_bytes, offset)
        else:
            self._file.seek(offset)
            data = self._file.read(num_bytes)
        return np.frombuffer(data, dtype=np.uint8).reshape(height, width, 3)


class LiveReader:
    """A source without a known end. Holds the latest frames and drops those behind them.

    Args:
        iterable: Yields pictures of one size, uint8.
        fps: Frames per second.
        memory_bytes: Bound on the frames held.
        min_frames: How many of the latest frames are held whatever they take.

    Raises:
        VideoError: If the source ends before its first frame or fails.
        ShapeError: If a frame has another size than the first.
    """

    in_memory = True

    def __init__(
        self, iterable: Iterable[Any], *, fps: float, memory_bytes: int, min_frames: int = 1
    ) -> None:
        self._intake = _Intake(iterable)
        self._min_frames = max(1, min_frames)
        self._fps = fps
        self._memory_bytes = memory_bytes
        self._frames: OrderedDict[int, Frame] = OrderedDict()
        self._lock = threading.RLock()
        if not self._advance():
            raise VideoError("a video needs at least one frame, the live source gave none")
        height, width = self._frames[0].shape[:2]
        self._size: Size = (height, width)

    @property
    def size(self) -> Size:
        """(height, width) of the frames."""
        return self._size

    @property
    def ended(self) -> bool:
        """Whether the source has ended."""
        return self._intake.ended

    @property
    def timestamps(self) -> FloatArray:
        """Times of the frames seen so far in seconds, shape (T,)."""
        return uniform_timestamps(self._intake.num_seen, self._fps)

    @property
    def num_frames_seen(self) -> int:
        """How many frames have arrived so far."""
        return self._intake.num_seen

    def has(self, index: int) -> bool:
        """Return whether the source reaches as far as a frame, waiting for it to arrive."""
        with self._lock:
            while self._intake.num_seen <= index:
                if not self._advance():
                    return False
            return True

    def read(self, index: int) -> Frame:
        """Return one frame, RGB uint8, shape (H, W, 3), waiting for it if it is yet to come.

        Raises:
            VideoError: If it has been dropped or the source ends before it.
        """
        with self._lock:
            if not self.has(index):
                raise VideoError(
                    f"there is no frame {index}: the live source ended after "
                    f"{self._intake.num_seen} frames",
                    frame=index,
                    reader="live",
                )
            frame = self._frames.get(index)
            if frame is None:
                oldest = next(iter(self._frames), self._intake.num_seen)
                raise VideoError(
                    f"frame {index} of the live source has been dropped, the oldest one held is "
                    f"{oldest}; read frames as they arrive, raise cache_bytes, or open the "
                    "source with live=False to keep every frame",
                    frame=index,
                    reader="live",
                )
            return frame

    def iter_frames(self, start: int, stop: int) -> Iterator[Frame]:
        """Yield the frames [start, stop) in order."""
        for index in range(start, stop):
            yield self.read(index)

    def close(self) -> None:
        """Let go of the frames and the source."""
        with self._lock:
            self._intake.drop()
            self._frames.clear()

    def _advance(self) -> bool:
        frame = self._intake.next()
        if frame is None:
            return False
        self._frames[self._intake.num_seen - 1] = frame
        most = max(self._min_frames, self._memory_bytes // frame.nbytes)
        while len(self._frames) > most:
            self._frames.popitem(last=False)
        return True
