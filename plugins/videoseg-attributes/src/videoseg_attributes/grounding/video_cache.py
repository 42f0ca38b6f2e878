"""Remembers what was found in videos, without keeping the videos alive."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

from videoseg.types import VideoSource

__all__ = ["VideoCache"]

_Value = TypeVar("_Value")


class VideoCache(Generic[_Value]):
    """A cache by video and a key; thread-safe. What is kept of a video is dropped with it.

    Args:
        size: How many values are kept for each video.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._lock = threading.Lock()
        self._known: WeakKeyDictionary[VideoSource, OrderedDict[Hashable, _Value]] = (
            WeakKeyDictionary()
        )

    def __reduce__(self) -> tuple[type[VideoCache[_Value]], tuple[int]]:
        # A copy, or another process, starts empty: the keys are videos of this process.
        return VideoCache, (self._size,)

    def get(self, video: VideoSource, key: Hashable, make: Callable[[], _Value]) -> _Value:
        """Return the value of a key from the cache, or make it."""
        try:
            with self._lock:
                values = self._known.setdefault(video, OrderedDict())
                if key in values:
                    values.move_to_end(key)
                    return values[key]
        except TypeError:  # not hashable or not weakly referenceable: no caching
            return make()
        made = make()
        with self._lock:
            values[key] = made
            while len(values) > self._size:
                values.popitem(last=False)
        return made
