"""Small clips with a known mask on every frame, as videos and as sources that hold no frame."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import SupportsIndex

import numpy as np

from videoseg.errors import VideoError
from videoseg.types import BoolArray, Box, FloatArray, Frame, Prompt, Rle, Size, VideoFacts
from videoseg.video import Video

__all__ = ["LiveSource", "RenderedSource", "ToyClip", "moving_square", "passing_squares"]

_COLORS = ((215, 45, 40), (40, 80, 215), (235, 200, 40))
_GROUND = 112


@dataclass(frozen=True, eq=False, slots=True)
class ToyClip:
    """A video of colored squares with their masks.

    Args:
        video: The video.
        masks: For each object id its masks, shape (T, H, W).
    """

    video: Video
    masks: dict[int, BoolArray]

    @property
    def size(self) -> Size:
        """(height, width) of the frames."""
        return self.video.size

    @property
    def num_frames(self) -> int:
        """Number of frames."""
        return len(self.video)

    def box(self, object_id: int = 1, frame: int = 0) -> Box:
        """Return the tightest box around an object that is visible on a frame."""
        box = self.rle(object_id, frame).box
        if box is None:
            raise ValueError(f"object {object_id} is not visible on frame {frame}")
        return box

    def rle(self, object_id: int = 1, frame: int = 0) -> Rle:
        """Return an object's mask on one frame."""
        return Rle.encode(self.masks[object_id][frame])

    def prompt(self, object_id: int = 1, frame: int = 0, *, kind: str = "mask") -> Prompt:
        """Return a prompt for an object.

        Args:
            object_id: The object.
            frame: A frame on which it is visible.
            kind: ``mask``, ``box`` or ``point``.
        """
        if kind == "mask":
            return Prompt(object_id, frame, mask=self.rle(object_id, frame))
        box = self.box(object_id, frame)
        if kind == "box":
            return Prompt(object_id, frame, box=box)
        return Prompt(object_id, frame, points=(box.center,))


@dataclass(frozen=True, slots=True)
class _Scene:
    """Squares that move back and forth, each in its own lane; even ids begin on the right.

    Args:
        size: (height, width) of the frames.
        num_objects: Number of squares, from 1 to 3.
        num_frames: Number of frames in which a square crosses the picture.
    """

    size: Size
    num_objects: int
    num_frames: int

    def mask(self, index: int, object_id: int) -> BoolArray:
        """Return where one square is on one frame, shape (H, W)."""
        height, width = self.size
        lane = height / self.num_objects
        side = max(1, min(round(lane * 0.6), round(width * 0.35)))
        top = min(round(lane * (object_id - 1) + (lane - side) / 2), height - side)
        room = width - side
        # A step of at most a quarter of the side is easy to follow at any frame rate.
        step = min(room / max(self.num_frames - 1, 1), max(side / 4, 0.25)) if room else 0.0
        way = (index * step) % (2 * room) if room else 0.0
        left = round(way if way <= room else 2 * room - way)
        if object_id % 2 == 0:
            left = room - left
        mask = np.zeros(self.size, dtype=bool)
        mask[max(top, 0) : top + side, left : left + side] = True
        return mask

    def frame(self, index: int) -> Frame:
        """Return one frame, shape (H, W, 3)."""
        frame = _ground(self.size).copy()
        for object_id in range(1, self.num_objects + 1):
            frame[self.mask(index, object_id)] = _COLORS[(object_id - 1) % len(_COLORS)]
        return frame

    def clip(self) -> ToyClip:
        """Return all frames as a video, with the masks."""
        indices = range(self.num_frames)
        masks = {
            object_id: np.stack([self.mask(index, object_id) for index in indices])
            for object_id in range(1, self.num_objects + 1)
        }
        frames = np.stack([self.frame(index) for index in indices])
        return ToyClip(Video.from_frames(frames, fps=12, name="toy-clip"), masks)


@lru_cache(maxsize=8)
def _ground(size: Size) -> Frame:
    # Textured, so that motion can be measured, and the same on every frame.
    noise = np.random.default_rng(7).integers(-14, 15, size=(*size, 1))
    ground: Frame = np.clip(_GROUND + noise, 0, 255).repeat(3, axis=2).astype(np.uint8)
    return ground


def moving_square(num_frames: int = 12, *, size: Size = (48, 64)) -> ToyClip:
    """Return a clip of a red square that moves from left to right.

    Example:
        >>> clip = moving_square(3, size=(9, 13))
        >>> clip.num_frames, clip.size, bool(clip.masks[1].any())
        (3, (9, 13), True)
    """
    return _Scene(size, 1, num_frames).clip()


def passing_squares(
    num_frames: int = 12, *, size: Size = (64, 80), num_objects: int = 2
) -> ToyClip:
    """Return a clip of squares that pass each other in separate lanes.

    Args:
        num_frames: Length.
        size: (height, width).
        num_objects: From 1 to 3: red, blue, yellow.
    """
    return _Scene(size, num_objects, num_frames).clip()


class RenderedSource:
    """A ``VideoSource`` that paints each frame on demand and keeps none.

    Args:
        num_frames: Length.
        size: (height, width).
        num_objects: From 1 to 3 squares.
        period: Number of frames in which a square crosses the picture.

    Attributes:
        name: A short name.
        size: (height, width) of every frame.
        fps: Average frames per second.
    """

    def __init__(
        self,
        num_frames: int = 100,
        *,
        size: Size = (48, 64),
        num_objects: int = 1,
        period: int = 24,
    ) -> None:
        self.name = "rendered"
        self.size = size
        self.fps = 12.0
        self._num_frames = num_frames
        self._scene = _Scene(size, num_objects, period)

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
        return self._paint(position % self._num_frames)

    def read(self, indices: Sequence[int]) -> list[Frame]:
        """Return several frames, in the order asked for."""
        return [self[index] for index in indices]

    def iter_frames(
        self, start: int = 0, stop: int | None = None, *, reverse: bool = False
    ) -> Iterator[tuple[int, Frame]]:
        """Yield (index, frame) over [start, stop), or from stop - 1 down to start."""
        indices = range(self._num_frames)[start:stop]
        for index in reversed(indices) if reverse else indices:
            yield index, self._paint(index)

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
        count = len(self)
        return VideoFacts(
            self.name, None, count, self.size, self.fps, count / self.fps, "rendered"
        )

    def _paint(self, index: int) -> Frame:
        frame = self._scene.frame(index)
        frame.flags.writeable = False
        return frame


class LiveSource(RenderedSource):
    """A rendered source of unknown length: it can only be read forward."""

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
            VideoError: If it is read backward.
        """
        if reverse:
            raise VideoError("a live source cannot be read backward")
        yield from super().iter_frames(start, stop)

    @property
    def timestamps(self) -> FloatArray:
        """Times of all frames, which a live source does not know.

        Raises:
            VideoError: Always.
        """
        raise VideoError("a live source has no timestamps before it has ended")
