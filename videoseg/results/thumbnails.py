"""Small pictures of a few frames, for reports and notebooks, with a bound on their bytes."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from io import BytesIO

import numpy as np

from videoseg.types import Prompt
from videoseg.types.arrays import BoolArray, Frame, Size
from videoseg.types.geometry import Box, Point
from videoseg.types.rle import Rle

__all__ = ["Picture", "PictureBook", "jpeg_data_uri", "scaled_prompt", "spread"]


@dataclass(frozen=True, eq=False, slots=True)
class Picture:
    """A frame made small, with the masks made small alike.

    Args:
        frame: Frame index of the source video.
        image: RGB uint8, shape (h, w, 3).
        masks: For each object id a mask of shape (h, w).
        source_size: (height, width) of the source frame.
    """

    frame: int
    image: Frame
    masks: Mapping[int, BoolArray]
    source_size: Size

    def fitted(self, longest: int) -> Picture:
        """Return the picture with neither side longer than this many pixels."""
        factor = longest / max(self.image.shape[:2])
        return self._scaled(factor) if factor < 1 else self

    def enlarged(self, longest: int) -> Picture:
        """Return the picture with its longer side at least this many pixels long."""
        factor = longest / max(self.image.shape[:2])
        return self._scaled(factor) if factor > 1 else self

    def _scaled(self, factor: float) -> Picture:
        height, width = self.image.shape[:2]
        size = max(1, round(height * factor)), max(1, round(width * factor))
        return Picture(
            self.frame,
            _resized(self.image, size),
            {key: _resized_mask(mask, size) for key, mask in self.masks.items()},
            self.source_size,
        )


class PictureBook:
    """Collects small copies of chosen frames while a video streams by.

    Args:
        longest_sides: For each frame to keep, the longest side in pixels to keep it at.
    """

    def __init__(self, longest_sides: Mapping[int, int]) -> None:
        self._longest_sides = dict(longest_sides)
        self._pictures: dict[int, Picture] = {}

    @property
    def indices(self) -> list[int]:
        """The frames wanted, sorted."""
        return sorted(self._longest_sides)

    def __contains__(self, frame: object) -> bool:
        return frame in self._longest_sides

    def add(self, index: int, frame: Frame, masks: Mapping[int, BoolArray]) -> None:
        """Keep a small copy of a frame if it is wanted; do nothing otherwise."""
        if index not in self._longest_sides:
            return
        size = (int(frame.shape[0]), int(frame.shape[1]))
        small = Picture(index, frame, masks, size).fitted(self._longest_sides[index])
        # A copy, since a reader may reuse the memory of its frame.
        self._pictures[index] = replace(small, image=small.image.copy(), masks=dict(small.masks))

    def get(self, index: int) -> Picture | None:
        """Return the picture of a frame, or None if it was not wanted or not seen."""
        return self._pictures.get(index)


def scaled_prompt(prompt: Prompt, source: Size, target: Size) -> Prompt:
    """Return a prompt with its coordinates moved from one frame size to another."""
    ratio_y, ratio_x = target[0] / source[0], target[1] / source[1]

    def moved(point: Point) -> Point:
        return Point(point.x * ratio_x, point.y * ratio_y)

    box = prompt.box
    return replace(
        prompt,
        box=box and Box(box.x1 * ratio_x, box.y1 * ratio_y, box.x2 * ratio_x, box.y2 * ratio_y),
        points=tuple(moved(point) for point in prompt.points),
        negative_points=tuple(moved(point) for point in prompt.negative_points),
        mask=prompt.mask and Rle.encode(_resized_mask(prompt.mask.decode(), target)),
    )


def spread(indices: Sequence[int], count: int) -> list[int]:
    """Return at most ``count`` of the indices, evenly spread, the first and last included.

    Example:
        >>> spread(range(10), 4)
        [0, 3, 6, 9]
    """
    if len(indices) <= count:
        return list(indices)
    if count == 1:
        return [indices[0]]
    return [indices[round(place * (len(indices) - 1) / (count - 1))] for place in range(count)]


def jpeg_data_uri(image: Frame, max_bytes: int) -> str:
    """Return a picture as a ``data:`` address of a JPEG.

    Quality, then size, are lowered until the file fits; a picture of one color always does.

    Args:
        image: RGB uint8, shape (H, W, 3).
        max_bytes: Upper bound on the JPEG file; at least 2000. The address is 4/3 as long.
    """
    from PIL import Image

    picture = Image.fromarray(np.ascontiguousarray(image))
    while True:
        for quality in (85, 72, 55, 40):
            buffer = BytesIO()
            picture.save(buffer, "JPEG", quality=quality, optimize=True)
            if buffer.tell() <= max_bytes or max(picture.size) <= 16:
                text = base64.b64encode(buffer.getvalue()).decode("ascii")
                return f"data:image/jpeg;base64,{text}"
        width, height = picture.size
        picture = picture.resize((max(1, width * 3 // 4), max(1, height * 3 // 4)))


def _resized(image: Frame, size: Size) -> Frame:
    import cv2

    # Averages what it shrinks; smooth, not blocky, where it enlarges.
    how = cv2.INTER_AREA if size[0] <= image.shape[0] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, (size[1], size[0]), interpolation=how), np.uint8)


def _resized_mask(mask: BoolArray, size: Size) -> BoolArray:
    import cv2

    how = cv2.INTER_AREA if size[0] <= mask.shape[0] else cv2.INTER_LINEAR
    share = np.asarray(
        cv2.resize(mask.astype(np.uint8) * 255, (size[1], size[0]), interpolation=how)
    )
    small: BoolArray = share >= 128
    if not small.any() and mask.any():
        # A thing smaller than half a pixel must still be seen.
        small = share == share.max()
    return small
