"""Surveys of a video's windows, measured, with a small memory that never keeps a video alive."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias
from weakref import WeakKeyDictionary

from videoseg.types import VideoSource, Window
from videoseg_attributes.grounding.fragments import join_fragments
from videoseg_attributes.grounding.tracks import Track, measure_tracks

if TYPE_CHECKING:
    from videoseg_attributes.regions.candidate import Survey

__all__ = ["MeasuredSurvey", "SurveyFunction", "SurveyMemory"]

_WINDOWS_KEPT = 4  # per video: an episode needs its whole window and one closer look


class SurveyFunction(Protocol):
    """Finds candidates in a window of a video."""

    def __call__(
        self,
        video: VideoSource,
        *,
        window: Window,
        num_frames: int = 24,
        max_candidates: int = 8,
        seed: int = 0,
    ) -> Survey:
        """Survey the window."""


@dataclass(frozen=True, eq=False, slots=True)
class MeasuredSurvey:
    """A survey with its candidates measured."""

    survey: Survey
    tracks: tuple[Track, ...]


_Key: TypeAlias = tuple[int, int, int, int, int]


class SurveyMemory:
    """Surveys already made, by video and window; safe to share between threads.

    A video that is no longer used anywhere else is forgotten with its surveys.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: WeakKeyDictionary[VideoSource, OrderedDict[_Key, MeasuredSurvey]] = (
            WeakKeyDictionary()
        )

    def __reduce__(self) -> tuple[type[SurveyMemory], tuple[()]]:
        # A copy, or another process, begins with nothing: what is known belongs to videos here.
        return SurveyMemory, ()

    def get(
        self,
        video: VideoSource,
        survey: SurveyFunction,
        *,
        window: Window,
        num_frames: int,
        max_candidates: int,
        seed: int,
    ) -> MeasuredSurvey:
        """Return the survey of a window, making it if it is not known."""

        def make() -> MeasuredSurvey:
            made = survey(
                video,
                window=window,
                num_frames=num_frames,
                max_candidates=max_candidates,
                seed=seed,
            )
            tracks = measure_tracks(video, made)
            whole = join_fragments(made, tracks)
            if whole is not made:
                tracks = measure_tracks(video, whole)
            return MeasuredSurvey(whole, tracks)

        return self._remembered(
            video, (window.start, window.stop, num_frames, max_candidates, seed), make
        )

    def _remembered(
        self, video: VideoSource, key: _Key, make: Callable[[], MeasuredSurvey]
    ) -> MeasuredSurvey:
        try:
            with self._lock:
                windows = self._known.setdefault(video, OrderedDict())
                if key in windows:
                    windows.move_to_end(key)
                    return windows[key]
        except TypeError:  # a video that cannot be hashed or referenced weakly is not kept
            return make()
        made = make()
        with self._lock:
            windows[key] = made
            while len(windows) > _WINDOWS_KEPT:
                windows.popitem(last=False)
        return made
