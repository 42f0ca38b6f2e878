"""Colors of objects, chosen to be distinguishable with color-vision deficiencies as well."""

from __future__ import annotations

from typing import TypeAlias

__all__ = [
    "DAVIS_PALETTE",
    "OBJECT_COLORS",
    "Color",
    "object_color",
    "readable_text_color",
]

Color: TypeAlias = tuple[int, int, int]
"""Red, green, blue, each 0 to 255."""

OBJECT_COLORS: tuple[Color, ...] = (
    (230, 159, 0),  # orange
    (86, 180, 233),  # sky blue
    (0, 158, 115),  # bluish green
    (204, 121, 167),  # reddish purple
    (240, 228, 66),  # yellow
    (0, 114, 178),  # blue
    (213, 94, 0),  # vermilion
    (120, 0, 240),  # violet
    (160, 200, 120),  # moss green
    (80, 40, 0),  # brown
    (0, 40, 160),  # navy blue
    (160, 80, 40),  # sienna
)
"""Object colors. The first seven are those of Okabe and Ito, which are distinct under the common
color-vision deficiencies; the rest were chosen to be distinct from them, and from one another,
under simulated deuteranopia, protanopia and tritanopia."""


def object_color(object_id: int) -> Color:
    """Return the color in which an object is drawn everywhere; it depends on its id alone.

    Args:
        object_id: 1 or greater. After the last color the first comes again.

    Example:
        >>> object_color(1)
        (230, 159, 0)
    """
    return OBJECT_COLORS[(object_id - 1) % len(OBJECT_COLORS)]


def readable_text_color(background: Color) -> Color:
    """Return black or white, whichever has more contrast with the background (WCAG 2)."""
    red, green, blue = (_linear(channel / 255) for channel in background)
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    # Equal contrast to black and white: (1 + .05) / (l + .05) == (l + .05) / (0 + .05).
    return (0, 0, 0) if (luminance + 0.05) ** 2 > 1.05 * 0.05 else (255, 255, 255)


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else float(((channel + 0.055) / 1.055) ** 2.4)


def _davis_palette() -> tuple[Color, ...]:
    """The palette of PASCAL VOC, DAVIS and YouTube-VOS: bits of the id in turn to R, G and B."""
    colors = []
    for index in range(256):
        channels = [0, 0, 0]
        for bit in range(8):
            channels[bit % 3] |= ((index >> bit) & 1) << (7 - bit // 3)
        colors.append((channels[0], channels[1], channels[2]))
    return tuple(colors)


DAVIS_PALETTE: tuple[Color, ...] = _davis_palette()
"""The 256 colors of the index PNGs of DAVIS and YouTube-VOS."""
