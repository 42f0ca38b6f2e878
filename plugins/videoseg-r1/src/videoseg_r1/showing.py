"""Frames as parts of a message: each preceded by what tells where in the video it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from videoseg import ImagePart, Message, TextPart, VideoSource, Window
from videoseg.types import MessagePart

__all__ = ["ask_about", "clip_duration", "frame_parts", "position_label", "spread"]


def spread(window: Window, count: int) -> list[int]:
    """Return up to that many evenly spaced frames of a window, both ends included."""
    if count >= len(window):
        return list(range(window.start, window.stop))
    return [int(i) for i in np.linspace(window.start, window.stop - 1, count).round()]


def clip_duration(video: VideoSource, clip: Window) -> float:
    """Return the seconds from the first frame of a clip until its last has been shown."""
    return video.time_of(clip.stop - 1) - video.time_of(clip.start) + 1 / video.fps


def position_label(share: float) -> str:
    """Return a position in a clip as the model is to read it."""
    return f"<{100 * share:.0f}%>"


def frame_parts(
    video: VideoSource,
    frames: Sequence[int],
    label: Callable[[int], str],
    *,
    max_pixels: int | None,
) -> list[MessagePart]:
    """Return label and picture of each frame, in order. Each frame is read once."""
    parts: list[MessagePart] = []
    for frame, image in zip(frames, video.read(frames), strict=True):
        shown = ImagePart(image, max_pixels=max_pixels, frame=frame, time=video.time_of(frame))
        parts += [TextPart(label(frame)), shown]
    return parts


def ask_about(parts: Iterable[MessagePart], question: str) -> list[Message]:
    """Return a conversation that shows parts and then asks."""
    return [Message("user", (*parts, TextPart(question)))]
