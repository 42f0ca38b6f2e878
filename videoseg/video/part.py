"""A part of a video: from one time to another, every so many frames, at a smaller size."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from videoseg.errors import ConfigError, VideoError
from videoseg.stages import HasWarnings
from videoseg.text import shorten
from videoseg.types import FloatArray, Frame, Size, VideoPart, VideoSource
from videoseg.types.scalars import whole_number
from videoseg.video.frame_store import FrameStore

__all__ = ["PartReader", "Place", "choose_part", "fitted_size", "parse_place", "store_of_part"]

Place: TypeAlias = int | float | str
"""Where a part begins or ends: seconds (``12.5``, ``"1:02.5"``) or a frame (``"300f"``)."""

_FRAME = re.compile(r"(\d{1,12})\s*f(rames?)?")
_CLOCK = re.compile(r"(?:(?:(\d{1,4}):)?(\d{1,4}):)?(\d{1,9}(?:\.\d*)?|\.\d+)\s*s?")


# Times are sums of fractions; a microsecond covers their rounding.
_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class _Parsed:
    """A place: seconds, or a frame."""

    seconds: float = 0.0
    frame: int | None = None

    def __str__(self) -> str:
        return f"{self.seconds:g} s" if self.frame is None else f"frame {self.frame}"


def parse_place(value: Place, what: str = "a place in a video") -> _Parsed:
    """Read a place in a video: seconds, or a frame if it ends with ``f``.

    Raises:
        ConfigError: If it is neither.

    Example:
        >>> parse_place("1:02.5").seconds, parse_place("300f").frame
        (62.5, 300)
    """
    allowed = (
        f"{what} must be seconds, such as 12.5 or 1:02.5, or a frame, such as 300f; got "
        f"{shorten(value)}"
    )
    if isinstance(value, str):
        text = value.strip()
        if found := _FRAME.fullmatch(text):
            return _Parsed(frame=int(found[1]))
        if (found := _CLOCK.fullmatch(text)) is None:
            raise ConfigError(allowed)
        hours, minutes, seconds = found.groups()
        return _Parsed(3600 * int(hours or 0) + 60 * int(minutes or 0) + float(seconds))
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        raise ConfigError(allowed)
    seconds = float(value)
    if not math.isfinite(seconds) or seconds < 0:
        raise ConfigError(allowed)
    return _Parsed(seconds)


def fitted_size(size: Size, max_side: int | None) -> Size:
    """Return a size (height, width) whose longer side has at most so many pixels.

    Raises:
        ConfigError: If ``max_side`` is not a whole number of at least 16.

    Example:
        >>> fitted_size((1080, 1920), 480), fitted_size((240, 320), 480)
        ((270, 480), (240, 320))
    """
    if max_side is None:
        return size
    # Below that no stage sees anything.
    max_side = whole_number(max_side, "max_side", least=16)
    if max(size) <= max_side:
        return size
    scale = max_side / max(size)
    return (max(1, round(size[0] * scale)), max(1, round(size[1] * scale)))


def choose_part(
    video: VideoSource,
    start: Place | None,
    end: Place | None,
    *,
    every: int,
    max_side: int | None,
) -> VideoPart:
    """Return the part of a video that arguments of ``Video.part`` describe.

    Raises:
        ConfigError: If an argument is of another form.
        VideoError: If the video has no frame there, or is a live source that has not ended.
    """
    if video.num_frames is None:
        raise VideoError(f"{video.name} is a live source and has no parts yet; read it to its end")
    every = whole_number(every, "every", least=1)
    begin = parse_place(0 if start is None else start, "start")
    finish = None if end is None else parse_place(end, "end")
    times = video.timestamps
    count, path = len(times), video.facts().path
    # The last frame is shown for one frame more.
    duration = float(times[-1]) + 1.0 / video.fps
    first = begin.frame
    if first is None:
        shown = max(0, _first_at(times, begin.seconds + 2 * _TOLERANCE) - 1)
        first = shown if begin.seconds < duration else count
    stop = count
    if finish is not None:
        stop = finish.frame if finish.frame is not None else _first_at(times, finish.seconds)
    if first >= count:
        raise VideoError(
            f"start is {begin}, but {video.name} has {count} frames in {duration:.2f} s; "
            "start earlier",
            path=path,
        )
    if stop <= first:
        raise VideoError(
            f"no frame of {video.name} lies between start ({begin}) and end ({finish}); end is "
            "not included, so it must be later than start",
            path=path,
        )
    stop = min(stop, count)
    # A step beyond the part gives its first frame, like one of the part's length.
    return VideoPart(first, stop, min(every, stop - first), fitted_size(video.size, max_side))


def _first_at(times: FloatArray, seconds: float) -> int:
    """Return the index of the first frame that is shown at a time or later."""
    return int(np.searchsorted(times, seconds - _TOLERANCE, side="left"))


class PartReader:
    """Reads the frames of a part from the video that it is part of.

    Args:
        whole: The video.
        part: Which of its frames, and at which size.
    """

    def __init__(self, whole: VideoSource, part: VideoPart) -> None:
        self.whole = whole
        self.part = part
        self.size = part.size
        self.name = whole.facts().reader
        self.fps = whole.fps / part.every
        self.warnings = whole.warnings if isinstance(whole, HasWarnings) else ()
        # The whole video caches its own frames; those of another size are worth keeping here.
        self.in_memory = part.size == whole.size
        times = whole.timestamps[np.asarray(part.frames, dtype=np.int64)]
        self.timestamps: FloatArray = times - times[0]

    def read(self, index: int) -> Frame:
        """Return one frame."""
        return self._scaled(self.whole[self.part.frames[index]])

    def iter_frames(self, start: int, stop: int) -> Iterator[Frame]:
        """Yield the frames [start, stop) in order."""
        return self._iterate(start, stop, reverse=False)

    def iter_backward(self, start: int, stop: int) -> Iterator[Frame]:
        """Yield the frames from stop - 1 down to start."""
        return self._iterate(start, stop, reverse=True)

    def close(self) -> None:
        """Do nothing: the whole video belongs to the caller."""

    def _iterate(self, start: int, stop: int, *, reverse: bool) -> Iterator[Frame]:
        chosen = self.part.frames[start:stop]
        if not chosen:
            return
        wanted = frozenset(chosen) if chosen.step > 1 else None
        first, last = chosen[0], chosen[-1]
        for index, frame in self.whole.iter_frames(first, last + 1, reverse=reverse):
            if wanted is None or index in wanted:
                yield self._scaled(frame)

    def _scaled(self, frame: Any) -> Frame:
        if self.in_memory:
            scaled: Frame = frame
            return scaled
        import cv2

        height, width = self.size
        return np.asarray(
            cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA), np.uint8
        )


def store_of_part(whole: VideoSource, part: VideoPart, *, cache_bytes: int) -> FrameStore:
    """Return the store of a part, which keeps frames only if they are scaled.

    Args:
        whole: The video, which caches its own frames.
        part: Which of its frames, and at which size.
        cache_bytes: Bound on the scaled frames held in memory.
    """
    reader = PartReader(whole, part)
    return FrameStore(
        whole.name,
        whole.facts().path,
        reader_name=reader.name,
        reader=reader,
        cache_bytes=0 if reader.in_memory else cache_bytes,
    )
