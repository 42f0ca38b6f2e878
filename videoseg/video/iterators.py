"""Videos whose frames arrive one by one from an iterator."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterable, Iterator
from typing import IO, Any

import numpy as np

from videoseg.errors import ShapeError, VideoError
from videoseg.stages import Closable
from videoseg.types import FloatArray, Frame, Size
from videoseg.video.arrays import rgb_frame, uniform_timestamps

__all__ = ["IteratorReader", "LiveReader", "SpoolReader"]


class IteratorReader:
    """Takes frames from an iterator only as far as they are asked for.

    What is kept of them is up to a subclass.

    Args:
        frames: Yields pictures of one size, uint8.
        fps: Frames per second.

    Raises:
        VideoError: If the iterator is empty or fails.
        ShapeError: If a frame has another size than the first.
    """

    in_memory = True
    kind = "iterator"
    source = "iterator"

    def __init__(self, frames: Iterable[Any], *, fps: float) -> None:
        self._iterator = iter(frames)
        self._fps = fps
        self._process = self._lock_process = os.getpid()
        self._lock = threading.RLock()
        self.size: Size = (0, 0)
        self.num_frames_seen = 0
        self.ended = False
        if not self._advance():
            raise VideoError(f"a video needs at least one frame, the {self.source} gave none")

    @property
    def timestamps(self) -> FloatArray:
        """Times of the frames seen so far in seconds, shape (T,)."""
        return uniform_timestamps(self.num_frames_seen, self._fps)

    def has(self, index: int) -> bool:
        """Return whether the video has a frame of this index, waiting for it to arrive."""
        with self._own_lock():
            while self.num_frames_seen <= index:
                if not self._advance():
                    return False
            return True

    def read(self, index: int) -> Frame:
        """Return one frame, RGB uint8, shape (H, W, 3), consuming the iterator up to it.

        Raises:
            VideoError: If the iterator ends before it, or the frame is not kept.
        """
        with self._own_lock():
            if not self.has(index):
                raise self._error(
                    index,
                    f"there is no frame {index}: the {self.source} ended after "
                    f"{self.num_frames_seen} frames",
                )
            return self._kept(index)

    def iter_frames(self, start: int, stop: int) -> Iterator[Frame]:
        """Yield the frames [start, stop) in order."""
        for index in range(start, stop):
            yield self.read(index)

    def close(self) -> None:
        """Release the iterator and every frame."""
        with self._own_lock():
            self.ended = True
            if isinstance(self._iterator, Closable) and os.getpid() == self._process:
                self._iterator.close()
            self._iterator = iter(())
            self._drop_all()

    def _keep(self, index: int, frame: Frame) -> None:
        raise NotImplementedError

    def _kept(self, index: int) -> Frame:
        raise NotImplementedError

    def _drop_all(self) -> None:
        raise NotImplementedError

    def _own_lock(self) -> threading.RLock:
        # A lock that a thread held while the process was forked stays locked for ever in the
        # child, which takes one of its own.
        if self._lock_process != os.getpid():
            self._lock = threading.RLock()
            self._lock_process = os.getpid()
        return self._lock

    def _advance(self) -> bool:
        """Take and keep the next frame; return whether there was one."""
        if self.ended:
            return False
        index = self.num_frames_seen
        if os.getpid() != self._process:
            raise self._error(
                index,
                f"frame {index} has not arrived yet and this process cannot wait for it: the "
                "iterator belongs to the process that opened the video; read the frames there "
                "first, or write them to a file and open that",
            )
        try:
            picture = next(self._iterator)
        except StopIteration:
            self.ended = True
            return False
        except VideoError:
            raise
        except Exception as error:
            raise self._error(
                index, f"the iterator failed at frame {index}: {type(error).__name__}: {error}"
            ) from error
        frame = rgb_frame(picture, name=f"frame {index}")
        if index == 0:
            self.size = (frame.shape[0], frame.shape[1])
        elif frame.shape[:2] != self.size:
            raise ShapeError(
                f"frame {index}",
                actual=frame.shape,
                expected=f"({self.size[0]}, {self.size[1]}, 3) like frame 0",
            )
        if np.may_share_memory(frame, np.asarray(picture)):
            # A camera or a decoder may fill the same array again for the next frame.
            frame = frame.copy()
            frame.flags.writeable = False
        self.num_frames_seen += 1
        self._keep(index, frame)
        return True

    def _error(self, index: int, message: str) -> VideoError:
        return VideoError(message, frame=index, reader=self.kind)


class SpoolReader(IteratorReader):
    """Random access to a finite iterator: every frame is kept, in a file if necessary.

    Questions about the whole (the number of frames, timestamps) consume the iterator.

    Args:
        frames: Yields pictures of one size, uint8.
        fps: Frames per second.
        memory_bytes: Frames beyond this many bytes go to a temporary file, which disappears
            when the reader is closed or the process ends.

    Raises:
        VideoError: If the iterator is empty or fails.
        ShapeError: If a frame has another size than the first.
    """

    def __init__(self, frames: Iterable[Any], *, fps: float, memory_bytes: int) -> None:
        self._memory_bytes = memory_bytes
        self._frames: list[Frame] = []
        self._file: IO[bytes] | None = None
        super().__init__(frames, fps=fps)

    @property
    def timestamps(self) -> FloatArray:
        """Times of all frames in seconds, shape (T,). Consumes the iterator to its end."""
        with self._own_lock():
            while self._advance():
                pass
            return super().timestamps

    def _keep(self, index: int, frame: Frame) -> None:
        held = len(self._frames)
        if self._file is None and (held == 0 or (held + 1) * frame.nbytes <= self._memory_bytes):
            self._frames.append(frame)
            return
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="videoseg-")  # noqa: SIM115
        try:
            self._file.seek((index - held) * frame.nbytes)
            self._file.write(frame.data)
            self._file.flush()
        except OSError as error:
            raise self._error(
                index,
                f"frame {index} cannot be kept in a temporary file in {tempfile.gettempdir()} "
                f"({error.strerror}); free space there, set TMPDIR to another folder, or use "
                "live=True where frames need not be kept",
            ) from error

    def _kept(self, index: int) -> Frame:
        if index < len(self._frames):
            return self._frames[index]
        if self._file is None:
            raise self._error(index, f"frame {index} is gone: the video has been closed")
        height, width = self.size
        num_bytes = height * width * 3
        offset = (index - len(self._frames)) * num_bytes
        if hasattr(os, "pread"):
            # Unlike seek and read this does not move the position that a forked process shares.
            data = os.pread(self._file.fileno(), num_bytes, offset)
        else:
            self._file.seek(offset)
            data = self._file.read(num_bytes)
        return np.frombuffer(data, dtype=np.uint8).reshape(height, width, 3)

    def _drop_all(self) -> None:
        self._frames.clear()
        if self._file is not None:
            self._file.close()
            self._file = None


class LiveReader(IteratorReader):
    """A source without a known end, of which only the latest frames are held.

    Args:
        frames: Yields pictures of one size, uint8.
        fps: Frames per second.
        memory_bytes: Bound on the frames held.
        min_frames: How many of the latest frames are held even beyond ``memory_bytes``.

    Raises:
        VideoError: If the source ends before its first frame or fails.
        ShapeError: If a frame has another size than the first.
    """

    kind = "live"
    source = "live source"

    def __init__(
        self, frames: Iterable[Any], *, fps: float, memory_bytes: int, min_frames: int = 1
    ) -> None:
        self._min_frames = max(1, min_frames)
        self._memory_bytes = memory_bytes
        self._frames: dict[int, Frame] = {}
        super().__init__(frames, fps=fps)

    def _keep(self, index: int, frame: Frame) -> None:
        self._frames[index] = frame
        most = max(self._min_frames, self._memory_bytes // frame.nbytes)
        self._frames.pop(index - most, None)

    def _kept(self, index: int) -> Frame:
        frame = self._frames.get(index)
        if frame is None:
            oldest = next(iter(self._frames), self.num_frames_seen)
            raise self._error(
                index,
                f"frame {index} of the live source has been dropped, the oldest one held is "
                f"{oldest}; read frames as they arrive, raise cache_bytes, or open the source "
                "with live=False to keep every frame",
            )
        return frame

    def _drop_all(self) -> None:
        self._frames.clear()
