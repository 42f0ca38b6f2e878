"""Tiny clips whose every mask is known."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from videoseg.types import BoolArray, Box, Frame, Prompt, Rle, Size
from videoseg.video import Video

__all__ = ["ToyClip", "moving_square", "paint", "passing_squares", "square_mask"]

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


def square_mask(
    index: int, *, size: Size, object_id: int = 1, num_objects: int = 1, num_frames: int = 12
) -> BoolArray:
    """Return where the square of one object is on one frame, shape (H, W).

    Each object has a lane of its own and goes back and forth along it, so that a clip may be
    of any length; even ids begin on the right.
    """
    height, width = size
    lane = height / num_objects
    side = max(1, min(round(lane * 0.6), round(width * 0.35)))
    top = min(round(lane * (object_id - 1) + (lane - side) / 2), height - side)
    room = width - side
    # A step of at most a quarter of the side is easy to follow at any frame rate.
    span = max(num_frames - 1, 1)
    step = min(room / span, max(side / 4, 0.25)) if room else 0.0
    way = (index * step) % (2 * room) if room else 0.0
    left = round(way if way <= room else 2 * room - way)
    if object_id % 2 == 0:
        left = room - left
    mask = np.zeros(size, dtype=bool)
    mask[max(top, 0) : top + side, left : left + side] = True
    return mask


def paint(index: int, *, size: Size, num_objects: int = 1, num_frames: int = 12) -> Frame:
    """Return one frame of the clip that ``square_mask`` describes, shape (H, W, 3)."""
    frame = _ground(size).copy()
    for object_id in range(1, num_objects + 1):
        mask = square_mask(
            index,
            size=size,
            object_id=object_id,
            num_objects=num_objects,
            num_frames=num_frames,
        )
        frame[mask] = _COLORS[(object_id - 1) % len(_COLORS)]
    return frame


@lru_cache(maxsize=8)
def _ground(size: Size) -> Frame:
    # It has texture, so that motion can be measured, and is the same on every frame.
    noise = np.random.default_rng(7).integers(-14, 15, size=(*size, 1))
    ground: Frame = np.clip(_GROUND + noise, 0, 255).repeat(3, axis=2).astype(np.uint8)
    return ground


def moving_square(num_frames: int = 12, *, size: Size = (48, 64)) -> ToyClip:
    """Return a clip of a red square that goes from left to right.

    Example:
        >>> clip = moving_square(3, size=(9, 13))
        >>> clip.num_frames, clip.size, bool(clip.masks[1].any())
        (3, (9, 13), True)
    """
    return _clip(num_frames, size, 1)


def passing_squares(
    num_frames: int = 12, *, size: Size = (64, 80), num_objects: int = 2
) -> ToyClip:
    """Return a clip of squares that pass each other in lanes of their own.

    Args:
        num_frames: Length.
        size: (height, width).
        num_objects: From 1 to 3: red, blue, yellow.
    """
    return _clip(num_frames, size, num_objects)


def _clip(num_frames: int, size: Size, num_objects: int) -> ToyClip:
    frames = np.stack(
        [
            paint(index, size=size, num_objects=num_objects, num_frames=num_frames)
            for index in range(num_frames)
        ]
    )
    masks = {
        object_id: np.stack(
            [
                square_mask(
                    index,
                    size=size,
                    object_id=object_id,
                    num_objects=num_objects,
                    num_frames=num_frames,
                )
                for index in range(num_frames)
            ]
        )
        for object_id in range(1, num_objects + 1)
    }
    return ToyClip(Video.from_frames(frames, fps=12, name="toy-clip"), masks)
