"""Draw mask tracks and prompts onto frames, the same way everywhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from videoseg.errors import ConfigError, ShapeError
from videoseg.masks import contour_polygons
from videoseg.masks.colors import Color, object_color, readable_text_color
from videoseg.results.tags import draw_tag, has_room_for_tags
from videoseg.types.arrays import BoolArray, FloatArray, Frame, as_masks
from videoseg.types.geometry import Box, Point
from videoseg.types.grounding import Prompt
from videoseg.types.video import VideoFacts, VideoSource

__all__ = [
    "FILL_OPACITY",
    "ON_BLACK",
    "clip_rate",
    "draw_masks",
    "draw_prompts",
    "object_name",
]

FILL_OPACITY = 0.35
"""Opacity of the fill: the object's own colors must still be told through it."""

ON_BLACK = 0.85
"""The opacity for masks on black frames, where there is nothing to see through them."""

_WHITE: Color = (255, 255, 255)
_BLACK: Color = (0, 0, 0)
_DARK: Color = (20, 20, 20)
_NEGATIVE: Color = (200, 30, 30)
# OpenCV's fixed-point drawing: coordinates carry this many fractional bits.
_SHIFT = 4


def clip_rate(facts: VideoFacts, video: VideoSource | None) -> tuple[float, FloatArray | None]:
    """Return the frames per second of a clip with masks drawn, and the times of its frames.

    Args:
        facts: What the result knows of the video.
        video: The frames, if they are at hand; only they tell the times.

    Returns:
        A rate that players take, and a time for each frame in seconds from the first, shape
        (T,), None where the rate is all there is to go by.
    """
    if not 0.1 <= facts.fps <= 1000:
        # A single picture has no rate of its own, and players refuse extreme ones.
        return 25.0, None
    times = None if video is None else np.asarray(video.timestamps, dtype=np.float64)
    if times is None or times.shape != (facts.num_frames,):
        return facts.fps, None
    # Times of someone else's video need not ascend; two frames at one time cannot be written.
    is_ascending = bool((np.diff(times) > 1e-4).all())
    return facts.fps, times if is_ascending else None


def object_name(object_id: int, label: str = "") -> str:
    """Return what an object is called in pictures and reports.

    Example:
        >>> object_name(2), object_name(2, "grey dog")
        ('object 2', 'grey dog')
    """
    return label.strip() or f"object {object_id}"


def draw_masks(
    frame: Frame,
    masks: Mapping[int, BoolArray],
    *,
    labels: Mapping[int, str] | None = None,
    opacity: float = FILL_OPACITY,
    tags: bool = True,
) -> Frame:
    """Draw the masks of several objects onto a copy of a frame.

    Each mask is filled translucently and outlined in its object's color; a thin dark line
    on the outside keeps the outline visible on any background. Smaller objects are drawn
    over larger ones.

    Args:
        frame: RGB uint8, shape (H, W, 3); not changed.
        masks: For each object id a mask of shape (H, W), dtype bool; numbers that are 0 and 1,
            or 0 and 255, are taken, too.
        labels: What the objects are called; ``object 3`` for one that has no label, or one
            that others have, too.
        opacity: Of the fill, in [0, 1].
        tags: Whether to write each object's name at its mask. Left out on frames too small
            to carry text.

    Returns:
        RGB uint8, shape (H, W, 3).

    Raises:
        ShapeError: If frame or a mask has the wrong shape.
        ConfigError: If the opacity is out of range, a mask holds other values, or an id is no
            whole number.
    """
    drawn = _copy_of(frame)
    if not 0.0 <= opacity <= 1.0:
        raise ConfigError(f"opacity must lie in [0, 1], got {opacity}")
    masks = as_masks(masks, frame.shape[:2])
    areas = {key: int(np.count_nonzero(mask)) for key, mask in masks.items()}
    order = sorted((key for key in masks if areas[key]), key=lambda key: (-areas[key], -key))
    for object_id in order:
        _fill(drawn, masks[object_id], object_color(object_id), opacity)
    for object_id in order:
        _outline(drawn, masks[object_id], object_color(object_id))
    if tags and has_room_for_tags(frame.shape[:2]):
        names = _telling_names(labels or {})
        taken: list[tuple[int, int, int, int]] = []
        for object_id in sorted(order):
            anchor = _top_of(masks[object_id])
            text = names.get(object_id) or object_name(object_id)
            taken.append(
                draw_tag(drawn, text, anchor, object_color(object_id), object_id, avoid=taken)
            )
    return drawn


def draw_prompts(frame: Frame, prompts: Iterable[Prompt], *, tags: bool = True) -> Frame:
    """Draw prompts onto a copy of their frame.

    Boxes and masks appear as outlines, points as discs with a plus, negative points as
    white discs with a red minus. Embeddings have no place and are not drawn.

    Args:
        frame: RGB uint8, shape (H, W, 3); not changed.
        prompts: The prompts; all are drawn, whatever frame they name.
        tags: Whether to write each object's name at its box.

    Returns:
        RGB uint8, shape (H, W, 3).

    Raises:
        ShapeError: If frame or a prompt's mask has the wrong shape.
    """
    drawn = _copy_of(frame)
    prompts = list(prompts)
    for prompt in prompts:
        color = object_color(prompt.object_id)
        if prompt.mask is not None:
            mask = prompt.mask.decode()
            if mask.shape != frame.shape[:2]:
                raise ShapeError(
                    f"the mask in the prompt of object {prompt.object_id}",
                    actual=mask.shape,
                    expected=str(frame.shape[:2]),
                )
            _fill(drawn, mask, color, 0.25)
            _outline(drawn, mask, color)
        if prompt.box is not None:
            _box(drawn, prompt.box, color)
    # Negative points often lie on other objects, whose own points must stay visible.
    for prompt in prompts:
        for point in prompt.negative_points:
            _point(drawn, point, _WHITE, positive=False)
    for prompt in prompts:
        for point in prompt.points:
            _point(drawn, point, object_color(prompt.object_id), positive=True)
    if tags and has_room_for_tags(frame.shape[:2]):
        names = _telling_names({prompt.object_id: prompt.label for prompt in prompts})
        taken: list[tuple[int, int, int, int]] = []
        for prompt in prompts:
            if (anchor := _anchor_of(prompt, _point_radius(drawn))) is not None:
                name = names[prompt.object_id]
                color = object_color(prompt.object_id)
                taken.append(draw_tag(drawn, name, anchor, color, prompt.object_id, avoid=taken))
    return drawn


def _telling_names(labels: Mapping[int, str]) -> dict[int, str]:
    """Return each object's name: its label, or its number where others have the same label."""
    counts = Counter(label.strip() for label in labels.values())
    return {
        object_id: object_name(object_id, label if counts[label.strip()] == 1 else "")
        for object_id, label in labels.items()
    }


def _copy_of(frame: Frame) -> Frame:
    if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8:
        raise ShapeError(
            f"a frame ({frame.dtype})", actual=frame.shape, expected="(H, W, 3), dtype uint8"
        )
    return np.array(frame, order="C")


def _short_side(drawn: Frame) -> int:
    return int(min(drawn.shape[:2]))


def _line_width(drawn: Frame) -> int:
    return max(1, round(_short_side(drawn) / 260))


def _fill(drawn: Frame, mask: BoolArray, color: Color, opacity: float) -> None:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return
    area = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    inside, pixels = mask[area], drawn[area]
    # One table per channel instead of arithmetic per pixel: three times as fast.
    levels = np.arange(256) * (1.0 - opacity)
    for channel in range(3):
        table = np.rint(levels + opacity * color[channel]).astype(np.uint8)
        np.copyto(pixels[..., channel], table[pixels[..., channel]], where=inside)


def _outline(drawn: Frame, mask: BoolArray, color: Color) -> None:
    import cv2

    polygons: list[Any] = list(contour_polygons(mask))
    width = _line_width(drawn)
    # A halo of the opposite lightness, so that dark colors show on dark frames too.
    halo: Color = _DARK if readable_text_color(color) == _BLACK else _WHITE
    cv2.polylines(drawn, polygons, True, halo, width + 2, cv2.LINE_AA)
    cv2.polylines(drawn, polygons, True, color, width, cv2.LINE_AA)


def _box(drawn: Frame, box: Box, color: Color) -> None:
    import cv2

    width = _line_width(drawn) + 1
    # Half-open: the last pixel inside is x2 - 1.
    corners = (_near(box.x1), _near(box.y1)), (_near(box.x2) - 1, _near(box.y2) - 1)
    for line_color, line_width in ((_BLACK, width + 4), (_WHITE, width + 2), (color, width)):
        cv2.rectangle(drawn, *corners, line_color, line_width, cv2.LINE_8)


def _point(drawn: Frame, point: Point, color: Color, *, positive: bool) -> None:
    import cv2

    radius = _point_radius(drawn)
    scale = 1 << _SHIFT
    # A point at x = 3.5 is the middle of pixel 3, which OpenCV draws at 3.0.
    center = _near((point.x - 0.5) * scale), _near((point.y - 0.5) * scale)
    rings = (
        ((_BLACK, 3), (_WHITE, 2), (color, 0))
        if positive
        else ((_BLACK, 3), (_NEGATIVE, 2), (_WHITE, 0))
    )
    for ring_color, extra in rings:
        cv2.circle(drawn, center, (radius + extra) * scale, ring_color, -1, cv2.LINE_AA, _SHIFT)
    stroke = _BLACK if positive else _NEGATIVE
    arm = round(radius * 0.6) * scale
    width = max(1, round(radius / 3))
    x, y = center
    cv2.line(drawn, (x - arm, y), (x + arm, y), stroke, width, cv2.LINE_AA, _SHIFT)
    if positive:
        cv2.line(drawn, (x, y - arm), (x, y + arm), stroke, width, cv2.LINE_AA, _SHIFT)


def _near(value: float) -> int:
    """Round a coordinate; what lies far outside is brought to where OpenCV can count."""
    return round(min(max(value, -1e6), 1e6))


def _point_radius(drawn: Frame) -> int:
    return max(3, round(_short_side(drawn) / 70))


def _top_of(mask: BoolArray) -> tuple[int, int]:
    """Return (x, y) of the middle of the mask's topmost row."""
    y = int(np.argmax(mask.any(axis=1)))
    columns = np.flatnonzero(mask[y])
    return int(columns[columns.size // 2]), y


def _anchor_of(prompt: Prompt, point_radius: int) -> tuple[int, int] | None:
    if prompt.box is not None:
        return _near(prompt.box.center.x), _near(prompt.box.y1)
    if prompt.mask is not None and prompt.mask.area:
        return _top_of(prompt.mask.decode())
    if prompt.points:
        return _near(prompt.points[0].x), _near(prompt.points[0].y) - point_radius
    return None
