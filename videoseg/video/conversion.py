"""``as_video``: a video of anything that holds frames."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from videoseg.errors import VideoError
from videoseg.text import shorten
from videoseg.types import VideoSource
from videoseg.video.arrays import as_array, is_pillow_image
from videoseg.video.frame_store import FrameStore
from videoseg.video.sources import SourceReader
from videoseg.video.video import Video

__all__ = ["as_video"]


def as_video(value: Any, *, fps: float | None = None, live_buffer: int = 0) -> Video:
    """Return a video for a path, frames, an iterator, or a video.

    Args:
        value: A path as text or ``Path`` (a video file, a folder of pictures, a picture), or
            a list of the paths of pictures; an array or a sequence of pictures; an iterator
            of pictures; a ``Video``, which is returned as it is; or any other ``VideoSource``.
        fps: Frames per second of paths and pictures, replacing what a file says.
        live_buffer: 0 to keep every frame of an iterator. Otherwise an iterator is taken
            for a live source that may never end, of which at least this many of the latest
            frames are held.

    Raises:
        VideoError: If it is none of these, or cannot be read.
        ShapeError: If an array has another shape than pictures have.
    """
    if isinstance(value, Video):
        return value
    if hasattr(type(value), "iter_frames") and hasattr(type(value), "timestamps"):
        return _video_of_source(value)
    if isinstance(value, (str, os.PathLike)):
        return Video.open(value, fps=fps)
    if hasattr(value, "read") and hasattr(value, "readline"):
        raise VideoError(
            f"an open file ({shorten(getattr(value, 'name', type(value).__name__))}) is not a "
            "video; give its path, or write what it holds to a file and give the path of that"
        )
    if isinstance(value, np.ndarray):
        if value.dtype.kind in "OU" and value.ndim == 1:
            return as_video(value.tolist(), fps=fps)
        return Video.from_frames(value, fps=fps)
    if hasattr(value, "__array__") or hasattr(value, "__array_interface__"):
        frames = [value] if is_pillow_image(value) else as_array(value, name="a video")
        return Video.from_frames(frames, fps=fps)
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
        if value and all(isinstance(item, (str, os.PathLike)) for item in value):
            return Video.open(value, fps=fps)
        return Video.from_frames(value, fps=fps)
    if isinstance(value, Iterable) and not isinstance(value, (bytes, bytearray, dict)):
        return Video.from_iterator(value, fps=fps, live=live_buffer > 0, live_buffer=live_buffer)
    raise VideoError(
        f"a value of type {type(value).__name__} is not a video; give a path, an array of shape "
        "(T, H, W, 3), a list or iterator of pictures, or a Video"
    )


def _video_of_source(source: VideoSource) -> Video:
    if source.num_frames is None:
        frames = (frame for _, frame in source.iter_frames())
        return Video.from_iterator(frames, fps=source.fps, name=source.name, live=True)
    facts = source.facts()
    reader = SourceReader(source)
    return Video(FrameStore(source.name, facts.path, reader_name=facts.reader, reader=reader))
