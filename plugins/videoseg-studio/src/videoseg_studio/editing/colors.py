"""Colors of objects: chosen once for each, against what is on and around it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from videoseg.errors import VideosegError
from videoseg.masks import OBJECT_COLORS, Color, object_color
from videoseg.types import Frame, Grounding, MaskTrack, Rle, Trace, VideoSource
from videoseg_studio.editing.state import Correction, EditObject, EditState

if TYPE_CHECKING:
    from videoseg.results import Segmentation

__all__ = ["ObjectColors"]

_LONGER_SIDE = 480
"""Pixels of the longer side of the pictures that are compared; one is kept for each object."""

_MOST_ANSWERS = 2
"""Answers whose pictures are kept: undo and redo go between two."""


class ObjectColors:
    """The colors in which a project shows its objects; ``choose_colors`` chooses them.

    It looks at the first mask that a person or an answer gave to an object, and never again, so
    that an object keeps its color while it is corrected and while others come and go. A new
    answer, whose objects are others under the same ids, has colors of its own.

    May be used from several threads.

    Args:
        video: The video.
    """

    def __init__(self, video: VideoSource) -> None:
        self._video = video
        self._lock = threading.Lock()
        # By the answer that the objects belong to, then by object.
        self._looks: dict[int, dict[int, tuple[Frame, Rle]]] = {}
        self._chosen: dict[int, dict[int, Color]] = {}

    def of(self, state: EditState) -> Mapping[int, Color]:
        """Return a color for each object; the usual ones for those without a mask."""
        with self._lock:
            looks = self._looks.setdefault(state.answer, {})
            new = [
                (one.object_id, first)
                for one in state.objects.values()
                if one.object_id not in looks
                and len(looks) < len(OBJECT_COLORS)
                and (first := _first_mask(one)) is not None
            ]
            for object_id, correction in new:
                # Whether the frame can be decoded is told by who shows it.
                try:
                    looks[object_id] = self._look(correction)
                except VideosegError:
                    continue
            while len(self._looks) > _MOST_ANSWERS:
                del self._looks[next(iter(self._looks))]
            if new and looks:
                # In the order in which they came: what comes later takes no color away.
                self._chosen[state.answer] = _choose(looks)
            chosen = self._chosen.get(state.answer, {})
        return {key: chosen.get(key, object_color(key)) for key in state.objects}

    def _look(self, correction: Correction) -> tuple[Frame, Rle]:
        """Return a small picture of the frame of a correction, with its mask."""
        import cv2

        frame, mask = self._video[correction.frame], correction.mask
        height, width = mask.size
        scale = _LONGER_SIDE / max(height, width)
        if scale >= 1:
            return frame, mask
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        small = np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8)
        share = cv2.resize(mask.decode().astype(np.float32), size, interpolation=cv2.INTER_AREA)
        return small, Rle.encode(share > 0.5)


def _first_mask(one: EditObject) -> Correction | None:
    """Return the first correction of an object on which it is visible."""
    visible = [correction for correction in one.corrections.values() if correction.mask.area]
    return min(visible, key=lambda each: (each.seq, each.frame), default=None)


def _choose(looks: Mapping[int, tuple[Frame, Rle]]) -> dict[int, Color]:
    """Return the colors for objects that are on a picture each."""
    from videoseg.results import choose_colors
    from videoseg.video import Video

    with Video.from_frames([frame for frame, _ in looks.values()], fps=1) as video:
        return choose_colors(_result(video, looks), video)


def _result(video: VideoSource, looks: Mapping[int, tuple[Frame, Rle]]) -> Segmentation:
    """Return a result in which each object is on its own picture alone."""
    from videoseg.results import Segmentation

    tracks = []
    for place, (object_id, (_, mask)) in enumerate(looks.items()):
        masks: list[Rle | None] = [None] * len(looks)
        masks[place] = mask
        tracks.append(MaskTrack(object_id, video.size, tuple(masks)))
    return Segmentation("", video.facts(), Grounding(None), Trace(), tuple(tracks))
