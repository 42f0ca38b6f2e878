"""A cache of decoded frames bounded in bytes, not in frames."""

from __future__ import annotations

import threading
from collections import OrderedDict

from videoseg.errors import ConfigError
from videoseg.types import Frame

__all__ = ["FrameCache"]


class FrameCache:
    """Keeps the most recently used frames within a number of bytes. Thread-safe.

    Args:
        max_bytes: Upper bound on the bytes of the frames held; 0 keeps nothing.

    Raises:
        ConfigError: If ``max_bytes`` is negative.
    """

    def __init__(self, max_bytes: int) -> None:
        if max_bytes < 0:
            raise ConfigError(f"cache_bytes must be at least 0, got {max_bytes}")
        self._max_bytes = max_bytes
        self._num_bytes = 0
        self._frames: OrderedDict[int, Frame] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def max_bytes(self) -> int:
        """The bound on the bytes held."""
        return self._max_bytes

    @property
    def num_bytes(self) -> int:
        """The bytes held now."""
        return self._num_bytes

    def get(self, index: int) -> Frame | None:
        """Return a frame and mark it as used, or None where it is not held."""
        with self._lock:
            frame = self._frames.get(index)
            if frame is not None:
                self._frames.move_to_end(index)
            return frame

    def put(self, index: int, frame: Frame) -> None:
        """Hold a frame, letting go of those used longest ago. Too large a frame is not held."""
        if frame.nbytes > self._max_bytes:
            return
        with self._lock:
            old = self._frames.pop(index, None)
            if old is not None:
                self._num_bytes -= old.nbytes
            self._frames[index] = frame
            self._num_bytes += frame.nbytes
            while self._num_bytes > self._max_bytes:
                _, oldest = self._frames.popitem(last=False)
                self._num_bytes -= oldest.nbytes

    def clear(self) -> None:
        """Let go of every frame."""
        with self._lock:
            self._frames.clear()
            self._num_bytes = 0
