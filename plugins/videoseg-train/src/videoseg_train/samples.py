"""What is trained on: a question about a video, and the true masks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np

from videoseg import ConfigError
from videoseg.types import BoolArray, MaskTrack, VideoSource

__all__ = ["TrainingSample", "Truth"]

Truth: TypeAlias = Mapping[int, MaskTrack]
"""The true masks by object id; empty if what is asked for is not in the video."""


@dataclass(frozen=True, slots=True, eq=False)
class TrainingSample:
    """A question about a video, and its true answer.

    Args:
        id: Names the sample in messages and reports.
        video: The video.
        query: The question.
        truth: The true masks of each object as tracks, or a function that returns them, called
            when they are needed.
        details: What else is known of the sample, such as its difficulty; JSON-serializable.
        others: The masks of other objects of the video, for which the true ones may be mistaken;
            likewise. Empty if they are not known.
    """

    id: str
    video: VideoSource
    query: str
    truth: Truth | Callable[[], Truth]
    details: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    others: Truth | Callable[[], Truth] = field(default_factory=lambda: MappingProxyType({}))

    def tracks(self) -> Truth:
        """Return the true masks by object id.

        Raises:
            ConfigError: If a track is not as long as the video.
        """
        return self._checked(self.truth() if callable(self.truth) else self.truth)

    def other_tracks(self) -> Truth:
        """Return the masks of other objects by object id.

        Raises:
            ConfigError: If a track is not as long as the video.
        """
        return self._checked(self.others() if callable(self.others) else self.others)

    def _checked(self, tracks: Truth) -> Truth:
        for track in tracks.values():
            if len(track) != len(self.video):
                raise ConfigError(
                    f"sample {self.id!r}: the masks of object {track.object_id} are for "
                    f"{len(track)} frames, but the video has {len(self.video)}"
                )
        return tracks

    def mask(self, frame: int) -> BoolArray:
        """Return the union of all true objects on a frame, shape (H, W)."""
        union = np.zeros(self.video.size, dtype=bool)
        for track in self.tracks().values():
            if track.masks[frame] is not None:
                union |= track.mask(frame)
        return union

    def visible(self) -> BoolArray:
        """Return on which frames any true object shows, shape (T,)."""
        shows = np.zeros(len(self.video), dtype=bool)
        for track in self.tracks().values():
            shows[list(track.visible_frames)] = True
        return shows
