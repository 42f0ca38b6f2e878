"""Colors for the masks of one result, chosen against what is on and around its objects."""

from __future__ import annotations

import numpy as np

from videoseg.masks import OBJECT_COLORS, Color, bounding_slices, object_color
from videoseg.results.segmentation import Segmentation
from videoseg.types import BoolArray, FloatArray, Frame, VideoSource

__all__ = ["choose_colors"]

_MOST = len(OBJECT_COLORS)

_FRAMES = 3
"""Frames that are looked at for each object; a few more say no more about its colors."""

_PIXELS = 400
"""Pixels of each side of an outline that are compared, evenly spaced."""

_RING = 0.02
"""Width of the surroundings that are compared, as a share of the frame's longer side."""

_LEAST_APART = 30.0
"""Distance in CIELAB from which the usual color is kept. A just noticeable difference is 2.3. The
orange of object 1 is hard to see on the yellow star of the demonstration clip, from which it is
22 (8 with deuteranopia), and easy to see on its ground, from which it is 64 (38)."""

_NEAREST = 20
"""Percentile of the distances that counts: an object has pixels of many colors, and some are
always near."""

# Linear-RGB matrices of complete dichromacy by Machado, Oliveira and Fernandes (2009), for the
# two kinds that are common; see ``videoseg.masks.colors``.
_VISIONS = (
    np.eye(3),
    np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
)


def choose_colors(segmentation: Segmentation, video: VideoSource | None) -> dict[int, Color]:
    """Return a color for each object that stands out from it and from what is around it.

    An object keeps its usual color, which depends on its id alone, unless that is near those on
    both sides of its outline; then it gets the one of the palette that is farthest from them, as
    seen with common color vision, deuteranopia and protanopia. Two of the first twelve objects
    never share a color. The same result and video give the same colors.

    Args:
        segmentation: The result.
        video: Its video, of which a few frames are read; None for the usual colors.

    Raises:
        VideoError: If a frame cannot be decoded.
    """
    ids = segmentation.object_ids
    colors = {object_id: object_color(object_id) for object_id in ids}
    if video is None:
        return colors
    wanted = {object_id: _frames_of(segmentation, object_id) for object_id in ids[:_MOST]}
    sides: dict[int, list[FloatArray]] = {object_id: [] for object_id in wanted}
    for index in sorted({index for frames in wanted.values() for index in frames}):
        frame = video[index]
        for object_id, frames in wanted.items():
            if index in frames:
                sides[object_id] += _sides(frame, segmentation.track(object_id).mask(index))
    free = list(OBJECT_COLORS)
    for object_id in wanted:
        apart = {color: _measure_distance(color, sides[object_id]) for color in free}
        usual = colors[object_id]
        if usual not in apart or apart[usual] < _LEAST_APART:
            # Of equals the first of the palette.
            colors[object_id] = max(apart, key=lambda color: round(apart[color], 1))
        free.remove(colors[object_id])
    return colors


def _frames_of(segmentation: Segmentation, object_id: int) -> list[int]:
    """Return the frame on which an object was localized, and others that show it."""
    areas = segmentation.track(object_id).areas
    prompted = [
        prompt.frame
        for prompt in segmentation.grounding.prompts
        if prompt.object_id == object_id and prompt.frame < len(areas) and areas[prompt.frame]
    ]
    visible = [index for index, area in enumerate(areas) if area]
    spread_out = [visible[0], visible[len(visible) // 2], visible[-1]] if visible else []
    return list(dict.fromkeys([*prompted[:1], *spread_out]))[:_FRAMES]


def _sides(frame: Frame, mask: BoolArray) -> list[FloatArray]:
    """Return pixels on an object and around it, each of shape (P, 3), linear RGB in [0, 1]."""
    import cv2

    if (area := bounding_slices(mask)) is None:
        return []
    width = max(2, round(_RING * max(mask.shape)))
    rows, columns = (slice(max(0, one.start - width), one.stop + width) for one in area)
    inside, pixels = mask[rows, columns], frame[rows, columns]
    grown = cv2.dilate(inside.astype(np.uint8), np.ones((2 * width + 1,) * 2, np.uint8)) > 0
    sides = [pixels[inside], pixels[grown & ~inside]]
    return [_linear(side[:: max(1, len(side) // _PIXELS)]) for side in sides if len(side)]


def _measure_distance(color: Color, sides: list[FloatArray]) -> float:
    """Return how far a color is from the pixels of the side that is nearest, in CIELAB."""
    own = _linear(np.array([color]))
    distances = [
        float(np.percentile(np.linalg.norm(_lab(side @ v.T) - _lab(own @ v.T), axis=1), _NEAREST))
        for side in sides
        for v in _VISIONS
    ]
    return min(distances, default=np.inf)


def _linear(colors: np.ndarray) -> FloatArray:
    scaled = np.asarray(colors, np.float64) / 255
    linear: FloatArray = np.where(
        scaled <= 0.04045, scaled / 12.92, ((scaled + 0.055) / 1.055) ** 2.4
    )
    return linear


def _lab(linear: FloatArray) -> FloatArray:
    """Return CIELAB (D65) of linear RGB, shape (P, 3)."""
    to_xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )
    xyz = np.clip(linear, 0, 1) @ to_xyz.T / to_xyz.sum(axis=1)
    root = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    x, y, z = root.T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)
