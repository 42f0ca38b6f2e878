"""The interface of a video, and the facts a result records about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from videoseg.errors import ConfigError
from videoseg.types.arrays import FloatArray, Frame, Size
from videoseg.types.rle import checked_size
from videoseg.types.scalars import real_number, set_fields, text_of, whole_number

__all__ = ["VideoFacts", "VideoPart", "VideoSource"]


@runtime_checkable
class VideoSource(Protocol):
    """A video as the stages see it: frames by index, lazily decoded.

    ``videoseg.Video`` is the implementation; stages rely only on these members.
    """

    @property
    def name(self) -> str:
        """A short name for messages and result folders."""

    @property
    def size(self) -> Size:
        """(height, width) of every frame."""

    @property
    def fps(self) -> float:
        """Average frames per second."""

    @property
    def num_frames(self) -> int | None:
        """Number of frames, or None while a live source has not ended."""

    def __len__(self) -> int:
        """Return the number of frames.

        Raises:
            VideoError: If the source is live and has not ended.
        """

    def __getitem__(self, index: int) -> Frame:
        """Return one frame, shape (H, W, 3), RGB uint8. Negative indices count from the end.

        Raises:
            VideoError: If there is no such frame or it cannot be decoded.
        """

    def read(self, indices: Sequence[int]) -> list[Frame]:
        """Return several frames, in the order asked for."""

    def iter_frames(
        self, start: int = 0, stop: int | None = None, *, reverse: bool = False
    ) -> Iterator[tuple[int, Frame]]:
        """Yield (index, frame) over [start, stop), or from stop - 1 down to start."""

    @property
    def timestamps(self) -> FloatArray:
        """Presentation time of every frame in seconds from the first, shape (T,)."""

    def time_of(self, index: int) -> float:
        """Return the presentation time of one frame in seconds."""

    def facts(self) -> VideoFacts:
        """Return what a result records about this video."""


@dataclass(frozen=True, slots=True)
class VideoFacts:
    """The facts that a result records about its video.

    Args:
        name: Short name.
        path: Where it was read from, absolute; None for frames given as arrays.
        num_frames: Number of frames.
        size: (height, width) in pixels.
        fps: Average frames per second.
        duration: Seconds.
        reader: The reader that decoded it.
        timestamps: Seconds of every frame from the first, where the rate varies; empty where
            frame i is shown at i / fps.

    Raises:
        ConfigError: If a field is not a number, the size is not valid, or there is not one time
            for every frame.
    """

    name: str
    path: str | None
    num_frames: int
    size: Size
    fps: float
    duration: float
    reader: str
    timestamps: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        set_fields(
            self,
            name=text_of(self.name, "the name of a video"),
            num_frames=whole_number(self.num_frames, "num_frames of a video", least=0),
            size=checked_size(self.size, "the size of a video"),
            fps=real_number(self.fps, "fps of a video", finite=False),
            duration=real_number(self.duration, "duration of a video", finite=False),
        )
        times = tuple(real_number(time, "a time of a video") for time in self.timestamps)
        if times and len(times) != self.num_frames:
            raise ConfigError(
                f"a video of {self.num_frames} frames has {len(times)} times; give one for every "
                "frame, or none"
            )
        set_fields(self, timestamps=times)

    def time_of(self, frame: int) -> float:
        """Return when a frame is shown, in seconds from the first."""
        return self.timestamps[frame] if self.timestamps else frame / self.fps


@dataclass(frozen=True, slots=True)
class VideoPart:
    """The frames of a video that were asked about, and the size at which they were looked at.

    Args:
        start: The first frame.
        stop: One past the last frame.
        every: Only every so many frames, beginning with the first.
        size: (height, width) at which the stages saw them.

    Raises:
        ConfigError: If there is no frame, or a number is not a whole number or out of range.

    Example:
        >>> list(VideoPart(10, 20, 4, size=(90, 160)).frames)
        [10, 14, 18]
    """

    start: int
    stop: int
    every: int = 1
    size: Size = (1, 1)

    def __post_init__(self) -> None:
        what = "of a part of a video"
        set_fields(
            self,
            start=whole_number(self.start, f"the start {what}", least=0),
            stop=whole_number(self.stop, f"the stop {what}", least=0),
            every=whole_number(self.every, f"'every' {what}", least=1),
            size=checked_size(self.size, f"the size {what}"),
        )
        if self.stop <= self.start:
            raise ConfigError(
                f"a part of a video needs start < stop, got [{self.start}, {self.stop})"
            )

    @property
    def frames(self) -> range:
        """The frames, counted in the whole video."""
        return range(self.start, self.stop, self.every)
