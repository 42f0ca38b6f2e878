"""Samplers that choose frames by their index alone, and functions for samplers of your own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Annotated

from annotated_types import MinLen

from videoseg.errors import ConfigError
from videoseg.plugins import PositiveInt, checked_options
from videoseg.types import FrameSelection, VideoSource, Window

__all__ = [
    "EverySampler",
    "ExplicitSampler",
    "FirstSampler",
    "MiddleSampler",
    "UniformSampler",
    "evenly_spaced",
    "inside_video",
]


class _IndexSampler(ABC):
    """Chooses frames without looking at them; the query and the seed do not matter."""

    # Whether the chosen frame is also the keyframe unless another is asked for.
    _is_keyframe = False

    def sample(
        self,
        video: VideoSource,
        query: str,  # noqa: ARG002 - part of the contract
        *,
        window: Window,
        keyframe: int | None = None,
        seed: int = 0,  # noqa: ARG002
    ) -> FrameSelection:
        """Choose frames of the window; see ``FrameSampler.sample``."""
        window = inside_video(video, window)
        indices, reason = self._choose(window, video)
        if keyframe is None and self._is_keyframe:
            keyframe = indices[0]
        return FrameSelection.of(indices, window=window, keyframe=keyframe, reason=reason)

    @abstractmethod
    def _choose(self, window: Window, video: VideoSource, /) -> tuple[tuple[int, ...], str]:
        """Return frame indices in the window, and the reason for this choice."""


class UniformSampler(_IndexSampler):
    """Evenly spaced frames, both ends of the window included.

    Args:
        num_frames: How many frames at most.

    Raises:
        ConfigError: If ``num_frames`` is not at least 1.
    """

    @checked_options("sampler 'uniform'")
    def __init__(self, *, num_frames: PositiveInt = 8) -> None:
        self.num_frames = num_frames

    def _choose(self, window: Window, _video: VideoSource, /) -> tuple[tuple[int, ...], str]:
        indices = evenly_spaced(window, self.num_frames)
        return indices, f"{len(indices)} of {len(window)} frames, evenly spaced."


class EverySampler(_IndexSampler):
    """Each ``step``-th frame, counted from the start of the window.

    Args:
        step: Distance between chosen frames.
        max_frames: Upper bound on the number of frames, so that a long video stays bounded;
            where it binds, the step is enlarged.

    Raises:
        ConfigError: If an option is not at least 1.
    """

    @checked_options("sampler 'every'")
    def __init__(self, *, step: PositiveInt = 10, max_frames: PositiveInt = 256) -> None:
        self.step = step
        self.max_frames = max_frames

    def _choose(self, window: Window, _video: VideoSource, /) -> tuple[tuple[int, ...], str]:
        step = max(self.step, -(-len(window) // self.max_frames))
        reason = f"Every {step} frames."
        if step > self.step:
            reason = f"Every {step} frames; every {self.step} would be over {self.max_frames}."
        return tuple(range(window.start, window.stop, step)), reason


class ExplicitSampler(_IndexSampler):
    """The frames the user names.

    Args:
        indices: Frame indices; negative ones count from the end of the video.

    Raises:
        ConfigError: If no index is given or one is not a whole number; when sampling, if a frame
            is not in the video.
    """

    @checked_options("sampler 'explicit'")
    def __init__(self, *, indices: Annotated[Sequence[int], MinLen(1)] = (0,)) -> None:
        self.indices = tuple(indices)

    def _choose(self, window: Window, video: VideoSource, /) -> tuple[tuple[int, ...], str]:
        named = self._resolved(video)
        indices = tuple(index for index in named if index in window)
        reason = "The frames named by the user."
        if not indices:
            indices = (min(window.nearest(index) for index in named),)
            reason = "None of the frames named by the user is in the window; the nearest is shown."
        return indices, reason

    def _resolved(self, video: VideoSource) -> tuple[int, ...]:
        if video.num_frames is None and min(self.indices) >= 0:
            return tuple(sorted(set(self.indices)))
        count = len(video)
        outside = [index for index in self.indices if not -count <= index < count]
        if outside:
            raise ConfigError(
                f"the sampler 'explicit' names frames {outside}, but {video.name} has the "
                f"frames 0 to {count - 1}"
            )
        return tuple(sorted({index % count for index in self.indices}))


class FirstSampler(_IndexSampler):
    """The first frame of the window, which is the keyframe unless another is asked for."""

    _is_keyframe = True

    def _choose(self, window: Window, _video: VideoSource, /) -> tuple[tuple[int, ...], str]:
        return (window.start,), "The first frame."


class MiddleSampler(_IndexSampler):
    """The middle frame of the window, which is the keyframe unless another is asked for."""

    _is_keyframe = True

    def _choose(self, window: Window, _video: VideoSource, /) -> tuple[tuple[int, ...], str]:
        return evenly_spaced(window, 1), "The middle frame."


def inside_video(video: VideoSource, window: Window) -> Window:
    """Return the part of a window that the video has; the window itself for a live source."""
    num_frames = video.num_frames
    return window if num_frames is None else window.clamped(Window(0, num_frames))


def evenly_spaced(frames: Window | Sequence[int], count: int) -> tuple[int, ...]:
    """Return at most ``count`` of the frames, evenly spaced, the first and last included.

    One frame is the middle one. Positions between two frames are rounded down.

    Args:
        frames: Frame indices in ascending order, such as a window or ``range(100)``.
        count: How many at most; at least 1.

    Example:
        >>> evenly_spaced(Window(0, 9), 3)
        (0, 4, 8)
        >>> evenly_spaced([3, 5, 8, 9], 2)
        (3, 9)
    """
    if isinstance(frames, Window):
        frames = range(frames.start, frames.stop)
    last = len(frames) - 1
    if count > last:
        return tuple(frames)
    if count == 1:
        return (frames[last // 2],)
    return tuple(frames[position * last // (count - 1)] for position in range(count))
