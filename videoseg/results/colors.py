"""Colors for the masks of one result, chosen against what is on and around its objects."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from videoseg.masks import OBJECT_COLORS, Color, bounding_slices, object_color
from videoseg.results.overlay import FILL_OPACITY
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

_LINE_APART = 30.0
"""Distance in CIELAB from which an outline is seen. A just noticeable difference is 2.3. The
orange of object 1 is hard to see on the yellow star of the demonstration clip, from which it is
22 (8 with deuteranopia), and easy to see on its ground, from which it is 64 (38)."""

_FILL_APART = 20.0
"""Distance in CIELAB from which a fill is seen. Orange turns the blue ball of the demonstration
clip into the gray of its ground, from which it then is 18, and sky blue leaves it blue (15)."""

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

    An object keeps its usual color, which depends on its id alone, if outline and fill are seen
    in it; else it gets the color of the palette in which they are seen best, with common color
    vision, deuteranopia and protanopia. Two of the first twelve objects never share a color. The
    same result and video give the same colors.

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
    looks: dict[int, list[_Look]] = {object_id: [] for object_id in wanted}
    for index in sorted({index for frames in wanted.values() for index in frames}):
        frame = video[index]
        for object_id, frames in wanted.items():
            if index in frames:
                looks[object_id] += _looks_at(frame, segmentation.track(object_id).mask(index))
    free = list(OBJECT_COLORS)
    for object_id in wanted:
        seen = {color: _measure_visibility(color, looks[object_id]) for color in free}
        usual = colors[object_id]
        if seen.get(usual, 0.0) < 1:
            # Of equals the first of the palette.
            colors[object_id] = max(seen, key=lambda color: round(seen[color], 2))
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


@dataclass(frozen=True, eq=False, slots=True)
class _Look:
    """Pixels of one frame on an object and around it, each of shape (P, 3), RGB 0 to 255."""

    inside: FloatArray
    around: FloatArray


def _looks_at(frame: Frame, mask: BoolArray) -> list[_Look]:
    """Return the look of an object on a frame; none if it is not there, or is all of it."""
    import cv2

    if (area := bounding_slices(mask)) is None:
        return []
    width = max(2, round(_RING * max(mask.shape)))
    rows, columns = (slice(max(0, one.start - width), one.stop + width) for one in area)
    inside, pixels = mask[rows, columns], frame[rows, columns]
    grown = cv2.dilate(inside.astype(np.uint8), np.ones((2 * width + 1,) * 2, np.uint8)) > 0
    sides = [
        side[:: max(1, len(side) // _PIXELS)].astype(np.float64)
        for side in (pixels[inside], pixels[grown & ~inside])
    ]
    return [_Look(*sides)] if len(sides[1]) else []


def _measure_visibility(color: Color, looks: Sequence[_Look]) -> float:
    """Return how well outline and fill are seen where that is hardest; 1 is well."""
    own = np.array([color], np.float64)
    found = []
    for look, vision in itertools.product(looks, _VISIONS):
        line, inside, around, fill = (
            _lab(_linear(pixels) @ vision.T)
            for pixels in (
                own,
                look.inside,
                look.around,
                # As draw_masks fills: not in linear light.
                (1 - FILL_OPACITY) * look.inside + FILL_OPACITY * own,
            )
        )
        found += [
            _measure_distance(line, inside) / _LINE_APART,
            _measure_distance(line, around) / _LINE_APART,
            _measure_distance(fill, inside) / _FILL_APART,
            _measure_distance(np.median(fill, axis=0), around) / _FILL_APART,
        ]
    return min(found, default=np.inf)


def _measure_distance(one: FloatArray, other: FloatArray) -> float:
    return float(np.percentile(np.linalg.norm(one - other, axis=1), _NEAREST))


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
