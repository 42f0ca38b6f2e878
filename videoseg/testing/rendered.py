"""Video sources that hold no frame: for measuring what a stage holds, and for live use."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from typing import SupportsIndex

import numpy as np

from videoseg.errors import VideoError
from videoseg.testing.clips import paint
from videoseg.types import FloatArray, Frame, Size, VideoFacts

__all__ = ["LiveSource", "RenderedSource"]


class RenderedSource:
    """A ``VideoSource`` that paints each frame when it is asked for and keeps none.

    Args:
        num_frames: Length.
        size: (height, width).
        num_objects: From 1 to 3 squares.
        period: In how many frames a square crosses the picture.
    """

    def __init__(
        self,
        num_frames: int = 100,
        *,
        size: Size = (48, 64),
        num_objects: int = 1,
        period: int = 24,
    ) -> None:
        self._num_frames = num_frames
        self._size = size
        self._num_objects = num_objects
        self._period = period

    @property
    def name(self) -> str:
        """A short name."""
        return "rendered"

    @property
    def size(self) -> Size:
        """(height, width) of every frame."""
        return self._size

    @property
    def fps(self) -> float:
        """Average frames per second."""
        return 12.0

    @property
    def num_frames(self) -> int | None:
        """Number of frames."""
        return self._num_frames

    def __len__(self) -> int:
        return self._num_frames

    def __getitem__(self, index: SupportsIndex) -> Frame:
        position = operator.index(index)
        if not -self._num_frames <= position < self._num_frames:
            raise VideoError(f"there is no frame {position} of {self._num_frames}", frame=position)
        return self._painted(position % self._num_frames)

    def read(self, indices: Sequence[int]) -> list[Frame]:
        """Return several frames, in the order asked for."""
        return [self[index] for index in indices]

    def iter_frames(
        self, start: int = 0, stop: int | None = None, *, reverse: bool = False
    ) -> Iterator[tuple[int, Frame]]:
        """Yield (index, frame) over [start, stop), or from stop - 1 down to start."""
        indices = range(self._num_frames)[start:stop]
        for index in reversed(indices) if reverse else indices:
            yield index, self._painted(index)

    @property
    def timestamps(self) -> FloatArray:
        """Presentation time of every frame in seconds, shape (T,)."""
        times: FloatArray = np.arange(self._num_frames) / self.fps
        return times

    def time_of(self, index: int) -> float:
        """Return the presentation time of one frame in seconds."""
        return index / self.fps

    def facts(self) -> VideoFacts:
        """Return what a result records about this video."""
        count = self._num_frames
        return VideoFacts(
            self.name, None, count, self._size, self.fps, count / self.fps, "rendered"
        )

    def _painted(self, index: int) -> Frame:
        frame = paint(
            index, size=self._size, num_objects=self._num_objects, num_frames=self._period
        )
        frame.flags.writeable = False
        return frame


class LiveSource(RenderedSource):
    """A rendered source whose length nobody is told: it can only be read forward."""

    @property
    def num_frames(self) -> int | None:
        """None: a live source has not ended."""
        return None

    def __len__(self) -> int:
        raise VideoError("a live source that has not ended has no length")

    def iter_frames(
        self, start: int = 0, stop: int | None = None, *, reverse: bool = False
    ) -> Iterator[tuple[int, Frame]]:
        """Yield (index, frame) from start on.

        Raises:
            VideoError: If it is to be read backwards.
        """
        if reverse:
            raise VideoError("a live source cannot be read backwards")
        yield from super().iter_frames(start, stop)

    @property
    def timestamps(self) -> FloatArray:
        """Times of the frames so far; a live source cannot tell them all.

        Raises:
            VideoError: Always.
        """
        raise VideoError("a live source has no timestamps before it has ended")

    def facts(self) -> VideoFacts:
        """Refuse: the length is not known.

        Raises:
            VideoError: Always.
        """
        raise VideoError("a live source that has not ended has no length")
