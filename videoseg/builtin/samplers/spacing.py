"""Which frames of a window to take: shared by the samplers, without reading any frame."""

from __future__ import annotations

from videoseg.errors import ConfigError
from videoseg.types import FrameSelection, VideoSource, Window

__all__ = ["evenly_spaced", "inside_video", "require_positive", "select"]


def require_positive(component: str, **values: int) -> None:
    """Check that options are whole numbers of at least 1, reporting all that are not.

    Raises:
        ConfigError: If any value is not an integer of at least 1.
    """
    problems = [
        f"{name} of the sampler '{component}' must be a whole number of at least 1, got {value!r}"
        for name, value in values.items()
        if isinstance(value, bool) or not isinstance(value, int) or value < 1
    ]
    if problems:
        raise ConfigError(problems)


def inside_video(video: VideoSource, window: Window) -> Window:
    """Return the part of a window that the video has; the window itself for a live source."""
    num_frames = video.num_frames
    return window if num_frames is None else window.clamped(Window(0, num_frames))


def evenly_spaced(window: Window, num_frames: int) -> tuple[int, ...]:
    """Return at most this many frames of the window, evenly spaced, both ends included.

    One frame is the middle one.

    Example:
        >>> evenly_spaced(Window(0, 9), 3)
        (0, 4, 8)
    """
    count = min(num_frames, len(window))
    if count == 1:
        return (window.start + (len(window) - 1) // 2,)
    last = len(window) - 1
    return tuple(window.start + (position * last) // (count - 1) for position in range(count))


def select(
    indices: tuple[int, ...], window: Window, *, keyframe: int | None, reason: str
) -> FrameSelection:
    """Build a selection of context frames, moving a keyframe from outside into the window."""
    if keyframe is not None and keyframe not in window:
        nearest = window.nearest(keyframe)
        reason += f" Keyframe {keyframe} lies outside the window; {nearest} is shown instead."
        keyframe = nearest
    return FrameSelection.of(indices, window=window, keyframe=keyframe, reason=reason)
