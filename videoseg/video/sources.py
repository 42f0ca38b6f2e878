"""Making a video of whatever a user holds in hand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from videoseg.errors import VideoError
from videoseg.video.video import Video

__all__ = ["as_video"]


def as_video(value: Any, *, fps: float | None = None, live_buffer: int = 0) -> Video:
    """Return a video for a path, frames, an iterator, or a video.

    Args:
        value: A path as text or ``Path`` (a video file, a folder of pictures, a picture); an
            array or a sequence of pictures; an iterator of pictures; or a ``Video``, which
            is returned as it is.
        fps: Frames per second, replacing those of the source.
        live_buffer: 0 to keep every frame of an iterator. Otherwise an iterator is taken
            for a live source that may never end, of which at least so many of the latest
            frames are held.

    Raises:
        VideoError: If it is none of these, or cannot be read.
        ShapeError: If arrays have a shape that is no picture's.
    """
    if isinstance(value, Video):
        return value
    if isinstance(value, (str, Path)):
        return Video.open(value, fps=fps)
    if isinstance(value, np.ndarray):
        return Video.from_frames(value, fps=fps)
    if hasattr(value, "__array__") or hasattr(value, "__array_interface__"):
        return Video.from_frames(np.asarray(value), fps=fps)
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
        return Video.from_frames(value, fps=fps)
    if isinstance(value, Iterable) and not isinstance(value, (bytes, bytearray, dict)):
        return Video.from_iterator(value, fps=fps, live=live_buffer > 0, live_buffer=live_buffer)
    raise VideoError(
        f"a {type(value).__name__} is no video; give a path, an array of shape (T, H, W, 3), "
        "a list or iterator of pictures, or a Video"
    )
