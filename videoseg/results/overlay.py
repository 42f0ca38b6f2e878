"""Draw masks, prompts and name tags onto frames."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np

from videoseg.errors import ConfigError, ShapeError
from videoseg.masks import (
    Color,
    bounding_slices,
    contour_polygons,
    object_color,
    readable_text_color,
)
from videoseg.text import shorten_text
from videoseg.types import (
    BoolArray,
    Box,
    FloatArray,
    Frame,
    Point,
    Prompt,
    VideoFacts,
    VideoSource,
)
from videoseg.types.arrays import as_masks

__all__ = [
    "FILL_OPACITY",
    "ON_BLACK",
    "clip_rate",
    "draw_masks",
    "draw_prompts",
    "draw_tag",
    "object_name",
]

FILL_OPACITY = 0.35
"""Opacity of the fill: low enough to recognize the object's own colors."""

ON_BLACK = 0.85
"""Opacity of the fill on black frames, where there is nothing to see below it."""

_WHITE: Color = (255, 255, 255)
_BLACK: Color = (0, 0, 0)
_DARK: Color = (20, 20, 20)
_NEGATIVE: Color = (200, 30, 30)
# OpenCV's fixed-point drawing: the number of fractional bits in coordinates.
_SHIFT = 4
_MAX_TAG_LENGTH = 28

_Area: TypeAlias = tuple[int, int, int, int]
"""(x1, y1, x2, y2) in pixels, half-open."""


def clip_rate(
    facts: VideoFacts, video: VideoSource | None, frames: range | None = None
) -> tuple[float, FloatArray | None]:
    """Return the frame rate of an overlay clip, and the times of its frames.

    Args:
        facts: The recorded facts of the video.
        video: The video, if it is available.
        frames: The frames of the video that the clip has; all by default.

    Returns:
        A rate that players accept in frames per second, and the time of each frame in seconds
        from the first, shape (T,), or None if the times are unknown.
    """
    frames = range(facts.num_frames) if frames is None else frames
    rate = facts.fps / frames.step
    if not 0.1 <= rate <= 1000:
        # A single picture has no rate, and players refuse extreme ones.
        return 25.0, None
    times = None if video is None else np.asarray(video.timestamps, dtype=np.float64)
    if times is None or times.shape != (facts.num_frames,):
        return rate, None
    times = times[frames.start : frames.stop : frames.step]
    times = times - times[0]
    # Times may come from any implementation; two frames at one time cannot be written.
    is_ascending = bool((np.diff(times) > 1e-4).all())
    return rate, times if is_ascending else None


def object_name(object_id: int, label: str = "") -> str:
    """Return an object's name for pictures and reports.

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
    colors: Mapping[int, Color] | None = None,
) -> Frame:
    """Draw the masks of several objects onto a copy of a frame.

    Each mask is filled translucently and outlined in its object's color; a thin dark line
    on the outside keeps the outline visible on any background. Smaller objects are drawn
    over larger ones.

    Args:
        frame: RGB uint8, shape (H, W, 3); not changed.
        masks: For each object id a mask of shape (H, W), dtype bool, or integers that are 0
            and 1 or 0 and 255.
        labels: Names of the objects. An object without a label, or with one that others share,
            is named ``object 3``.
        opacity: Opacity of the fill, in [0, 1].
        tags: Whether to write each object's name at its mask. Frames too small for text get
            no tags.
        colors: Colors by object id, such as those of ``choose_colors``; by default, and for
            other objects, ``videoseg.masks.object_color``.

    Returns:
        RGB uint8, shape (H, W, 3).

    Raises:
        ShapeError: If the frame or a mask has the wrong shape.
        ConfigError: If the opacity is out of range, a mask holds other values, or an id is not
            a whole number.
    """
    drawn = _copy_of(frame)
    if not 0.0 <= opacity <= 1.0:
        raise ConfigError(f"opacity must lie in [0, 1], got {opacity}")
    masks = as_masks(masks, frame.shape[:2])
    areas = {key: int(np.count_nonzero(mask)) for key, mask in masks.items()}
    order = sorted((key for key in masks if areas[key]), key=lambda key: (-areas[key], -key))
    paint = {object_id: object_color(object_id) for object_id in order} | dict(colors or {})
    for object_id in order:
        _fill(drawn, masks[object_id], paint[object_id], opacity)
    for object_id in order:
        _outline(drawn, masks[object_id], paint[object_id])
    if tags:
        names = _distinct_names(labels or {})
        _draw_tags(
            drawn,
            [
                (key, names.get(key) or object_name(key), _top_of(masks[key]))
                for key in sorted(order)
            ],
            paint,
        )
    return drawn


def draw_prompts(
    frame: Frame,
    prompts: Iterable[Prompt],
    *,
    tags: bool = True,
    colors: Mapping[int, Color] | None = None,
) -> Frame:
    """Draw prompts onto a copy of their frame.

    Boxes and masks appear as outlines, points as discs with a plus, negative points as
    white discs with a red minus. Embeddings have no position and are not drawn.

    Args:
        frame: RGB uint8, shape (H, W, 3); not changed.
        prompts: The prompts; all are drawn, whatever their frame. For those of an answer take
            ``grounding.named_prompts``, which does not name what was guessed.
        tags: Whether to write each object's name at its box.
        colors: Colors by object id; see ``draw_masks``.

    Returns:
        RGB uint8, shape (H, W, 3).

    Raises:
        ShapeError: If the frame or a prompt's mask has the wrong shape.
    """
    drawn = _copy_of(frame)
    prompts = list(prompts)
    paint = {one.object_id: object_color(one.object_id) for one in prompts} | dict(colors or {})
    for prompt in prompts:
        color = paint[prompt.object_id]
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
            _point(drawn, point, paint[prompt.object_id], positive=True)
    if tags:
        names = _distinct_names({prompt.object_id: prompt.label for prompt in prompts})
        _draw_tags(
            drawn,
            [
                (prompt.object_id, names[prompt.object_id], anchor)
                for prompt in prompts
                if (anchor := _anchor_of(prompt, _point_radius(drawn))) is not None
            ],
            paint,
        )
    return drawn


def _distinct_names(labels: Mapping[int, str]) -> dict[int, str]:
    """Return each object's name: its label, or its number if others have the same label."""
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


def _line_width(drawn: Frame) -> int:
    # Two pixels from the size of the demonstration clip on: one is hardly seen.
    return max(1, -(-int(min(drawn.shape[:2])) // 240))


def _fill(drawn: Frame, mask: BoolArray, color: Color, opacity: float) -> None:
    if (area := bounding_slices(mask)) is None:
        return
    inside, pixels = mask[area], drawn[area]
    # A table per channel instead of arithmetic per pixel is three times as fast.
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
    corners = (_round(box.x1), _round(box.y1)), (_round(box.x2) - 1, _round(box.y2) - 1)
    for line_color, line_width in ((_BLACK, width + 4), (_WHITE, width + 2), (color, width)):
        cv2.rectangle(drawn, *corners, line_color, line_width, cv2.LINE_8)


def _point(drawn: Frame, point: Point, color: Color, *, positive: bool) -> None:
    import cv2

    radius = _point_radius(drawn)
    scale = 1 << _SHIFT
    # A point at x = 3.5 is the middle of pixel 3, which OpenCV draws at 3.0.
    center = _round((point.x - 0.5) * scale), _round((point.y - 0.5) * scale)
    edge, ink = (_WHITE, _BLACK) if positive else (_NEGATIVE, _NEGATIVE)
    for ring_color, extra in ((_BLACK, 3), (edge, 2), (color, 0)):
        cv2.circle(drawn, center, (radius + extra) * scale, ring_color, -1, cv2.LINE_AA, _SHIFT)
    arm = round(radius * 0.6) * scale
    width = max(1, round(radius / 3))
    x, y = center
    cv2.line(drawn, (x - arm, y), (x + arm, y), ink, width, cv2.LINE_AA, _SHIFT)
    if positive:
        cv2.line(drawn, (x, y - arm), (x, y + arm), ink, width, cv2.LINE_AA, _SHIFT)


def _round(value: float) -> int:
    """Round a coordinate, clamped to the range that OpenCV can draw."""
    return round(min(max(value, -1e6), 1e6))


def _point_radius(drawn: Frame) -> int:
    return max(3, round(int(min(drawn.shape[:2])) / 70))


def _top_of(mask: BoolArray) -> tuple[int, int]:
    """Return (x, y) of the middle of the mask's topmost row."""
    y = int(np.argmax(mask.any(axis=1)))
    columns = np.flatnonzero(mask[y])
    return int(columns[columns.size // 2]), y


def _anchor_of(prompt: Prompt, point_radius: int) -> tuple[int, int] | None:
    if prompt.box is not None:
        return _round(prompt.box.center.x), _round(prompt.box.y1)
    if prompt.mask is not None and prompt.mask.area:
        return _top_of(prompt.mask.decode())
    if prompt.points:
        return _round(prompt.points[0].x), _round(prompt.points[0].y) - point_radius
    return None


# -- name tags -------------------------------------------------------------------------------


def _draw_tags(
    drawn: Frame,
    tags: Iterable[tuple[int, str, tuple[int, int]]],
    colors: Mapping[int, Color],
) -> None:
    """Draw a tag for each object id, name and anchor, if the frame is large enough for text."""
    if min(drawn.shape[:2]) < 100:
        return
    taken: list[_Area] = []
    for object_id, name, anchor in tags:
        color = colors[object_id]
        taken.append(draw_tag(drawn, name, anchor, color, object_id, avoid=taken))


def draw_tag(
    drawn: Frame,
    text: str,
    anchor: tuple[int, int],
    color: Color,
    object_id: int,
    *,
    avoid: Sequence[_Area] = (),
    font_size: int | None = None,
) -> _Area:
    """Draw a name tag just above a point, in place, within the frame and clear of other tags.

    Args:
        drawn: RGB uint8, shape (H, W, 3); changed in place.
        text: The name. If the font lacks its letters, ``object <id>`` is written instead.
        anchor: The point (x, y).
        color: Background color.
        object_id: The object.
        avoid: Areas of the tags drawn before.
        font_size: Size of the letters in pixels; by default a 24th of the shorter side, within
            limits.

    Returns:
        The area of the new tag.
    """
    height, width = drawn.shape[:2]
    if font_size is None:
        font_size = int(min(max(min(height, width) / 24, 11), 44))
    alpha = _text_alpha(_printable_name(text, object_id), font_size)
    padding_x, padding_y = alpha.shape[0] // 3, max(2, alpha.shape[0] // 8)
    tag_height = min(alpha.shape[0] + 2 * padding_y, height)
    tag_width = min(alpha.shape[1] + 2 * padding_x, width)
    gap = max(3, tag_height // 4)
    x = min(max(anchor[0] - tag_width // 2, 0), width - tag_width)
    y = min(max(anchor[1] - tag_height - gap, 0), height - tag_height)
    area = _find_free_area((x, y, x + tag_width, y + tag_height), height, avoid)
    x, y = area[:2]
    pixels = drawn[y : y + tag_height, x : x + tag_width]
    shape = _rounded_rectangle(tag_height, tag_width)[..., None]
    pixels[:] = np.rint(pixels + shape * (np.array(color) - pixels)).astype(np.uint8)
    part = pixels[padding_y:, padding_x:][: alpha.shape[0], : alpha.shape[1]]
    ink = alpha[: part.shape[0], : part.shape[1], None]
    part[:] = np.rint(part + ink * (np.array(readable_text_color(color)) - part)).astype(np.uint8)
    return area


def _printable_name(text: str, object_id: int) -> str:
    text = " ".join(text.split())
    # The font that comes with Pillow only has the letters of Latin-1.
    if not text or any(ord(letter) > 255 or not letter.isprintable() for letter in text):
        return f"object {object_id}"
    return shorten_text(text, _MAX_TAG_LENGTH)


def _find_free_area(area: _Area, frame_height: int, avoid: Sequence[_Area]) -> _Area:
    """Move an area down or up until it overlaps none of the others."""
    height = area[3] - area[1]
    steps = [0] + [
        sign * step for step in range(2, frame_height, max(2, height // 4)) for sign in (1, -1)
    ]
    for step in steps:
        y = area[1] + step
        moved = (area[0], y, area[2], y + height)
        if y >= 0 and y + height <= frame_height and not any(_overlap(moved, a) for a in avoid):
            return moved
    return area


def _overlap(first: _Area, second: _Area) -> bool:
    return all(
        first[axis] < second[axis + 2] and second[axis] < first[axis + 2] for axis in (0, 1)
    )


@lru_cache(maxsize=256)
def _text_alpha(text: str, font_size: int) -> FloatArray:
    """Return the coverage of each pixel by a text, in [0, 1], shape (height, width)."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(font_size)
    left, _, right, _ = font.getbbox(text)
    # Ascender and descender of all letters, so that tags of one size line up.
    _, top, _, bottom = font.getbbox("Agjq")
    picture = Image.new("L", (max(1, int(right - left) + 1), int(bottom - top) + 1), 0)
    ImageDraw.Draw(picture).text((-left, -top), text, fill=255, font=font)
    ink: FloatArray = np.asarray(picture, np.float32) / 255
    return ink


@lru_cache(maxsize=256)
def _rounded_rectangle(height: int, width: int) -> FloatArray:
    """Return the coverage of a rectangle with rounded corners, in [0, 1], shape (H, W)."""
    radius = height / 4
    y = np.abs(np.arange(height) + 0.5 - height / 2) - (height / 2 - radius)
    x = np.abs(np.arange(width) + 0.5 - width / 2) - (width / 2 - radius)
    distance = np.hypot(np.maximum(y, 0)[:, None], np.maximum(x, 0)[None]) - radius
    coverage: FloatArray = np.clip(0.5 - distance, 0, 1)
    return coverage
