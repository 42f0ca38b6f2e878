"""Named colors, which pairs of them people may confuse, and color distance."""

from __future__ import annotations

from types import MappingProxyType

import numpy as np

from videoseg.types import FloatArray

__all__ = ["COLORS", "color_distance", "confusable", "lab"]

COLORS: MappingProxyType[str, tuple[int, int, int]] = MappingProxyType(
    {
        "red": (208, 34, 40),
        "orange": (246, 134, 18),
        "yellow": (248, 214, 38),
        "green": (38, 152, 62),
        "blue": (34, 88, 208),
        "purple": (122, 48, 168),
        "pink": (246, 132, 182),
        "brown": (112, 66, 34),
        "white": (240, 240, 238),
        "black": (26, 26, 30),
        "grey": (134, 137, 141),
    }
)
"""Color name -> base RGB value of objects of that color."""

_CONFUSABLE = frozenset(
    frozenset(pair)
    for pair in (
        ("red", "orange"),
        ("red", "pink"),
        ("red", "brown"),
        ("orange", "yellow"),
        ("orange", "brown"),
        ("pink", "purple"),
        ("blue", "purple"),
        ("white", "grey"),
        ("black", "grey"),
        ("black", "brown"),
    )
)


def confusable(first: str, second: str) -> bool:
    """Return whether a person might name an object of one color by the other color.

    Example:
        >>> confusable("red", "orange"), confusable("red", "blue")
        (True, False)
    """
    return frozenset((first, second)) in _CONFUSABLE


def lab(rgb: FloatArray | tuple[float, float, float]) -> FloatArray:
    """Return CIE L*a*b* (D65) of sRGB values in 0..255, shape (..., 3)."""
    value = np.asarray(rgb, dtype=np.float64) / 255.0
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    matrix = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )
    xyz = linear @ matrix.T / np.array([0.9505, 1.0, 1.089])
    root = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16.0 / 116.0)
    lightness = 116.0 * root[..., 1] - 16.0
    return np.stack(
        [
            lightness,
            500.0 * (root[..., 0] - root[..., 1]),
            200.0 * (root[..., 1] - root[..., 2]),
        ],
        axis=-1,
    )


def color_distance(
    first: FloatArray | tuple[float, float, float], second: FloatArray | tuple[float, float, float]
) -> float:
    """Return the distance of two RGB colors in CIE L*a*b*; about 2 is just noticeable."""
    return float(np.linalg.norm(lab(first) - lab(second)))
