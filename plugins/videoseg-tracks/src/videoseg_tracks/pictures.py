"""Pictures for a chat model: frames with numbered outlines, and close views of single things."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from videoseg.masks import (
    Color,
    bounding_box,
    inner_points,
    object_color,
    readable_text_color,
)
from videoseg.results import draw_masks
from videoseg.types import BoolArray, Frame, Size
from videoseg_tracks.tracks import Track

__all__ = ["draw_close_view", "draw_numbered"]

_OPACITY = 0.12  # of the fill: the thing's own colors must stay recognizable
_LEAST_SIDE = 240  # pixels; smaller frames are enlarged, so that numbers can be read
_DIGIT_SHARE = 1 / 17  # height of a digit as a share of the picture's shorter side
_LEAST_DIGIT, _LARGEST_DIGIT = 12, 40  # pixels
_ROOM = 1.6  # how much larger than its number a thing must be for the number to stand on it
_CLOSE_MARGIN = 0.25  # around the thing, as a share of its longer side
_CLOSE_SIDE = 224  # pixels of the longer side of a close view, if that many are there

_Area = tuple[int, int, int, int]


def draw_numbered(frame: Frame, index: int, tracks: Sequence[Track], max_pixels: int) -> Frame:
    """Draw outlines and numbers of the tracks that are visible on a frame.

    The picture is drawn at the size at which it will be seen: numbers that are scaled down
    afterwards cannot be read.

    Args:
        frame: RGB uint8, shape (H, W, 3); not changed.
        index: The index of the frame.
        tracks: The tracks; those that are not visible are left out.
        max_pixels: Upper bound on height x width of the picture.

    Returns:
        RGB uint8, of another size than the frame if that is too large or very small.
    """
    size = _shown_size(frame.shape[0], frame.shape[1], max_pixels)
    masks = {
        track.track_id: _resized_mask(mask, size)
        for track in tracks
        if (mask := track.mask(index)) is not None
    }
    drawn = draw_masks(_resized(frame, size), masks, opacity=_OPACITY, tags=False)
    taken: list[_Area] = []
    # Numbers of small things first: they have the least choice of place.
    for track_id in sorted(masks, key=lambda one: int(np.count_nonzero(masks[one]))):
        if masks[track_id].any():
            taken.append(_draw_number(drawn, track_id, masks[track_id], taken))
    return drawn


def draw_close_view(frame: Frame, mask: BoolArray, track_id: int) -> Frame:
    """Return the part of a frame around a mask, with its outline but without a fill.

    Args:
        frame: RGB uint8, shape (H, W, 3); not changed.
        mask: Shape (H, W), with at least one pixel set.
        track_id: The number of the thing, which sets the color of the outline.
    """
    height, width = mask.shape
    box = bounding_box(mask)
    margin = max(8, round(_CLOSE_MARGIN * max(box.width, box.height)))
    top, bottom = max(0, int(box.y1) - margin), min(height, int(box.y2) + margin)
    left, right = max(0, int(box.x1) - margin), min(width, int(box.x2) + margin)
    part = frame[top:bottom, left:right]
    scale = _CLOSE_SIDE / max(part.shape[:2])
    size = (max(1, round(part.shape[0] * scale)), max(1, round(part.shape[1] * scale)))
    shown = _resized_mask(mask[top:bottom, left:right], size)
    return draw_masks(_resized(part, size), {track_id: shown}, opacity=0.0, tags=False)


def _shown_size(height: int, width: int, max_pixels: int) -> Size:
    scale = min((max_pixels / (height * width)) ** 0.5, max(1.0, _LEAST_SIDE / min(height, width)))
    return max(1, round(height * scale)), max(1, round(width * scale))


def _resized(picture: Frame, size: Size) -> Frame:
    import cv2

    if picture.shape[:2] == size:
        return picture
    smaller = size[0] < picture.shape[0]
    method = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    resized = cv2.resize(np.ascontiguousarray(picture), (size[1], size[0]), interpolation=method)
    return np.asarray(resized, np.uint8)


def _resized_mask(mask: BoolArray, size: Size) -> BoolArray:
    import cv2

    if mask.shape == size:
        return mask
    pixels = np.ascontiguousarray(mask).view(np.uint8)
    resized = cv2.resize(pixels, (size[1], size[0]), interpolation=cv2.INTER_NEAREST)
    if not resized.any() and mask.any():
        # A thing of a few pixels may lie between those that are kept; its number is listed.
        box = bounding_box(mask)
        row, column = int(box.y1 * size[0] / mask.shape[0]), int(box.x1 * size[1] / mask.shape[1])
        resized[row, column] = 1
    return np.asarray(resized, bool)


def _draw_number(drawn: Frame, number: int, mask: BoolArray, taken: Sequence[_Area]) -> _Area:
    """Draw a number on its thing, or beside it if that is too small; return its area."""
    import cv2

    height, width = mask.shape
    digit = round(min(max(_DIGIT_SHARE * min(height, width), _LEAST_DIGIT), _LARGEST_DIGIT))
    font = cv2.FONT_HERSHEY_SIMPLEX
    thickness = max(1, round(digit / 9))
    scale = cv2.getFontScaleFromHeight(font, digit, thickness)
    (text_width, text_height), _ = cv2.getTextSize(str(number), font, scale, thickness)
    padding = max(2, digit // 4)
    tag = (text_width + 2 * padding, text_height + 2 * padding)
    area = _find_place(mask, tag, taken)
    color: Color = object_color(number)
    ink = readable_text_color(color)
    cv2.rectangle(drawn, area[:2], (area[2] - 1, area[3] - 1), color, cv2.FILLED)
    cv2.rectangle(drawn, area[:2], (area[2] - 1, area[3] - 1), ink, 1)
    origin = (area[0] + padding, area[1] + padding + text_height)
    cv2.putText(drawn, str(number), origin, font, scale, ink, thickness, cv2.LINE_AA)
    return area


def _find_place(mask: BoolArray, tag: tuple[int, int], taken: Sequence[_Area]) -> _Area:
    """Return a free place for a tag of (width, height): on the thing, above, below or beside."""
    height, width = mask.shape
    box = bounding_box(mask)
    middle = round((box.x1 + box.x2) / 2)
    centers = [
        (middle, round(box.y1) - tag[1] // 2 - 2),
        (middle, round(box.y2) + tag[1] // 2 + 2),
        (round(box.x1) - tag[0] // 2 - 2, round((box.y1 + box.y2) / 2)),
        (round(box.x2) + tag[0] // 2 + 2, round((box.y1 + box.y2) / 2)),
    ]
    if box.width >= _ROOM * tag[0] and box.height >= _ROOM * tag[1]:
        on_it = [(round(p.x), round(p.y)) for p in inner_points(mask, count=4, exact=False)]
        centers = on_it + centers
    places = [_placed(center, tag, (height, width)) for center in centers]
    return next((place for place in places if not _touches(place, taken)), places[0])


def _placed(center: tuple[int, int], tag: tuple[int, int], size: Size) -> _Area:
    left = min(max(0, center[0] - tag[0] // 2), max(0, size[1] - tag[0]))
    top = min(max(0, center[1] - tag[1] // 2), max(0, size[0] - tag[1]))
    return left, top, left + tag[0], top + tag[1]


def _touches(area: _Area, taken: Sequence[_Area]) -> bool:
    return any(
        area[0] < other[2] and other[0] < area[2] and area[1] < other[3] and other[1] < area[3]
        for other in taken
    )
