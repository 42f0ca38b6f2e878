"""Small copies of frames with their masks, as JPEGs of bounded size for HTML pages."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from io import BytesIO
from typing import Any

import numpy as np

from videoseg.masks import Color
from videoseg.results.overlay import FILL_OPACITY, ON_BLACK, draw_masks
from videoseg.types import BoolArray, Box, Frame, Point, Prompt, Rle, Size

__all__ = [
    "Picture",
    "PictureBook",
    "embed_jpeg",
    "include_frame",
    "jpeg_data_uri",
    "resized_mask",
    "scale_prompt",
    "spread",
]


@dataclass(frozen=True, eq=False, slots=True)
class Picture:
    """A resized frame with its masks at the same size.

    Args:
        frame: Frame index in the source video.
        image: RGB uint8, shape (h, w, 3).
        masks: For each object id a mask of shape (h, w).
        colors: For each object id its color; the usual one if it is not named here.
    """

    frame: int
    image: Frame
    masks: Mapping[int, BoolArray]
    colors: Mapping[int, Color] = field(default_factory=dict)

    def fitted(self, longest: int) -> Picture:
        """Return the picture, shrunk if needed so that no side exceeds this many pixels."""
        factor = longest / max(self.image.shape[:2])
        return self._scaled(factor) if factor < 1 else self

    def enlarged(self, longest: int) -> Picture:
        """Return the picture, enlarged if needed so that its longer side has this many pixels."""
        factor = longest / max(self.image.shape[:2])
        return self._scaled(factor) if factor > 1 else self

    def draw(self, object_ids: Sequence[int], *, on_black: bool) -> Frame:
        """Return the picture with its masks drawn, shape (h, w, 3).

        Where a result has several objects, each is marked with its number. Names would hide
        what is next to an object and cannot be read in small pictures; pages show them in
        colored chips instead.

        Args:
            object_ids: All objects of the result.
            on_black: Whether the frame is black because the video is not available.
        """
        return draw_masks(
            self.image,
            self.masks,
            labels={object_id: str(object_id) for object_id in object_ids},
            opacity=ON_BLACK if on_black else FILL_OPACITY,
            tags=len(object_ids) > 1,
            colors=self.colors,
        )

    def _scaled(self, factor: float) -> Picture:
        import cv2

        height, width = self.image.shape[:2]
        size = max(1, round(height * factor)), max(1, round(width * factor))
        return replace(
            self,
            image=_resized(self.image, size, cv2.INTER_CUBIC),
            masks={key: resized_mask(mask, size) for key, mask in self.masks.items()},
        )


class PictureBook:
    """Collects small copies of chosen frames while a video is decoded.

    Args:
        longest_sides: For each frame to keep, the length of its longest side in pixels.
        colors: For each object id its color; the usual one if it is not named here.
    """

    def __init__(
        self, longest_sides: Mapping[int, int], colors: Mapping[int, Color] | None = None
    ) -> None:
        self.colors: Mapping[int, Color] = dict(colors or {})
        self._longest_sides = dict(longest_sides)
        self._pictures: dict[int, Picture] = {}

    @property
    def indices(self) -> list[int]:
        """The frames to keep, sorted."""
        return sorted(self._longest_sides)

    def __contains__(self, frame: object) -> bool:
        return frame in self._longest_sides

    def add(self, index: int, frame: Frame, masks: Mapping[int, BoolArray]) -> None:
        """Keep a small copy of a frame; ignore a frame that is not wanted."""
        if index not in self._longest_sides:
            return
        small = Picture(index, frame, masks, self.colors).fitted(self._longest_sides[index])
        # A copy, since a reader may reuse the memory of its frames.
        self._pictures[index] = replace(small, image=small.image.copy(), masks=dict(small.masks))

    def get(self, index: int) -> Picture | None:
        """Return the picture of a frame, or None if it was not added."""
        return self._pictures.get(index)


def scale_prompt(prompt: Prompt, source: Size, target: Size) -> Prompt:
    """Return a prompt scaled from one frame size (height, width) to another."""
    ratio_y, ratio_x = target[0] / source[0], target[1] / source[1]

    def scale(point: Point) -> Point:
        return Point(point.x * ratio_x, point.y * ratio_y)

    box = prompt.box
    return replace(
        prompt,
        box=box and Box(box.x1 * ratio_x, box.y1 * ratio_y, box.x2 * ratio_x, box.y2 * ratio_y),
        points=tuple(scale(point) for point in prompt.points),
        negative_points=tuple(scale(point) for point in prompt.negative_points),
        mask=prompt.mask and Rle.encode(resized_mask(prompt.mask.decode(), target)),
    )


def spread(indices: Sequence[int], count: int) -> list[int]:
    """Return at most ``count`` evenly spaced indices, including the first and the last.

    Example:
        >>> spread(range(10), 4)
        [0, 3, 6, 9]
    """
    if len(indices) <= count:
        return list(indices)
    if count == 1:
        return [indices[0]]
    return [indices[round(place * (len(indices) - 1) / (count - 1))] for place in range(count)]


def include_frame(chosen: Sequence[int], frame: int) -> list[int]:
    """Return the chosen frames, sorted, with the nearest one replaced by one that must be shown.

    Example:
        >>> include_frame([0, 3, 6, 9], 5)
        [0, 3, 5, 9]
    """
    if frame in chosen:
        return sorted(chosen)
    nearest = min(chosen, key=lambda index: abs(index - frame))
    return sorted({frame, *chosen} - {nearest})


def jpeg_data_uri(image: Frame, max_bytes: int) -> str:
    """Return a picture as a JPEG in a ``data:`` URI.

    Quality, then size, are lowered until the file fits.

    Args:
        image: RGB uint8, shape (H, W, 3).
        max_bytes: Upper bound on the JPEG file; at least 2000. The URI is 4/3 as long.
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


def embed_jpeg(image: Frame, max_bytes: int, alt: str) -> dict[str, Any]:
    """Return a picture as the templates take it: ``uri``, ``width``, ``height`` and ``alt``.

    The browser can lay out the page from the size before it decodes the picture.

    Args:
        image: RGB uint8, shape (H, W, 3).
        max_bytes: Upper bound on the JPEG file; at least 2000.
        alt: Description for readers who do not see the picture.
    """
    height, width = image.shape[:2]
    return {"uri": jpeg_data_uri(image, max_bytes), "width": width, "height": height, "alt": alt}


def _resized(image: Frame, size: Size, enlarging: int) -> Frame:
    import cv2

    how = cv2.INTER_AREA if size[0] <= image.shape[0] else enlarging
    return np.asarray(cv2.resize(image, (size[1], size[0]), interpolation=how), np.uint8)


def resized_mask(mask: BoolArray, size: Size) -> BoolArray:
    """Return a mask at another size (height, width); what is not empty never becomes empty."""
    import cv2

    share = _resized(mask.astype(np.uint8) * 255, size, cv2.INTER_LINEAR)
    small: BoolArray = share >= 128
    if not small.any() and mask.any():
        # An object smaller than half a pixel must stay visible.
        small = share == share.max()
    return small
