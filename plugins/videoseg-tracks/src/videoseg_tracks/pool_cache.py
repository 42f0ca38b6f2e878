"""A cache of tracks: an episode has several turns, and a grounder keeps no state."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import TypeAlias
from weakref import WeakKeyDictionary

from videoseg.types import VideoSource
from videoseg_tracks.tracks import TrackPool

__all__ = ["PoolCache"]

_POOLS_KEPT = 4  # per video: several queries about one video may be under way

_Key: TypeAlias = tuple[tuple[str, ...], int, int, int]


class PoolCache:
    """The tracks of a video by names, window and seed; thread-safe.

    It does not keep videos alive: the tracks of a video are dropped with it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: WeakKeyDictionary[VideoSource, OrderedDict[_Key, TrackPool]] = (
            WeakKeyDictionary()
        )

    def __reduce__(self) -> tuple[type[PoolCache], tuple[()]]:
        # A copy, or another process, starts empty: the keys are videos of this process.
        return PoolCache, ()

    def get(self, video: VideoSource, key: _Key, make: Callable[[], TrackPool]) -> TrackPool:
        """Return what is known under a key, or make it.

        Args:
            video: The video.
            key: Names, start and stop of the window, seed.
            make: Called if nothing is known.
        """
        try:
            with self._lock:
                pools = self._known.setdefault(video, OrderedDict())
                if key in pools:
                    pools.move_to_end(key)
                    return pools[key]
        except TypeError:  # not hashable or not weakly referenceable: no caching
            return make()
        made = make()
        with self._lock:
            pools[key] = made
            while len(pools) > _POOLS_KEPT:
                pools.popitem(last=False)
        return made
