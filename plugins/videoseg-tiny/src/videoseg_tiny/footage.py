"""A drawn clip as a video of any length and speed: what the demonstrations are about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from videoseg.types import FloatArray, Frame, Size

__all__ = ["Footage"]


@dataclass(frozen=True, slots=True)
class Footage:
    """A video whose frames are those of a clip, each several times; without pictures.

    The strategies only pass pictures on, so that conversations can be built without them. The
    indices and times that they name are those of a longer video, so that the model learns more
    numbers than its clips have frames.

    Args:
        size: (height, width) of the frames.
        num_frames: How many frames it has.
        num_drawn: How many frames the clip has.
        fps: Frames per second.
        name: A name for messages.
    """

    size: Size
    num_frames: int
    num_drawn: int
    fps: float
    name: str = "footage"

    def __len__(self) -> int:
        return self.num_frames

    def drawn(self, index: int) -> int:
        """Return the frame of the clip that a frame shows."""
        return index * self.num_drawn // self.num_frames

    def __getitem__(self, index: int) -> Frame:
        return np.zeros((*self.size, 3), np.uint8)

    def read(self, indices: Sequence[int]) -> list[Frame]:
        """Return frames without a picture; see ``VideoSource.read``."""
        blank = np.zeros((*self.size, 3), np.uint8)
        return [blank for _ in indices]

    @property
    def timestamps(self) -> FloatArray:
        """The time of each frame in seconds, shape (T,)."""
        return np.arange(self.num_frames) / self.fps

    def time_of(self, index: int) -> float:
        """Return the time of a frame in seconds."""
        return index / self.fps
