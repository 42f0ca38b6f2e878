"""Color names: how much of an object has the color that a word means.

Each name is a few soft boxes in (hue, chroma, lightness): the hue of HSV, which separates blue
from purple, and the chroma and lightness of CIE Lab, which follow the eye. The boxes overlap
on purpose: people do not agree on where grey ends and silver begins, and light changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from videoseg.errors import ConfigError
from videoseg.types import BoolArray, FloatArray, Frame

__all__ = [
    "BASIC_COLORS",
    "COLOR_NAMES",
    "NUM_COLOR_BINS",
    "Shade",
    "brighten_histogram",
    "color_histogram",
    "color_membership",
    "color_share",
    "describe_colors",
]

Shade: TypeAlias = Literal["light", "dark"]

_LEVELS = 32  # per RGB channel: 8 gray levels a bin, finer than any color word
_HUE_EDGE, _CHROMA_EDGE, _LIGHTNESS_EDGE = 9.0, 6.0, 8.0  # widths of the soft edges
# From IEC 61966-2-1 (sRGB: end of the linear part, its slope, offset and power; primaries to XYZ),
# and CIE 15 (the white point D65; end and slope of the linear part of L*a*b*). Computed here in
# double precision, since OpenCV's conversion rounds to single.
_SRGB = (0.04045, 12.92, 0.055, 2.4)
_SRGB_TO_XYZ = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))
_D65 = (0.9505, 1.0, 1.089)
_LAB_LINEAR = (0.008856, 7.787)
# Set by hand on the white dog in the shade of one of the seven real clips.
_BRIGHTEST, _WHITE, _MOST_GAIN = 0.92, 0.93, 3.0  # quantile taken for white; its level; gain


@dataclass(frozen=True, slots=True)
class _Region:
    """A soft box: hue in degrees (may wrap through 0), chroma and lightness of CIE Lab."""

    hue: tuple[float, float] | None
    chroma: tuple[float, float]
    lightness: tuple[float, float]


_MOST = 200.0  # Lab chroma that no color exceeds
_COLORS: dict[str, tuple[_Region, ...]] = {
    "any": (_Region(None, (0, _MOST), (0, 100)),),
    "black": (_Region(None, (0, 14), (0, 28)), _Region(None, (0, 22), (0, 20))),
    "grey": (_Region(None, (0, 11), (26, 78)),),
    "white": (_Region(None, (0, 13), (74, 100)),),
    "silver": (_Region(None, (0, 13), (45, 96)),),
    "red": (_Region((346, 13), (32, _MOST), (10, 66)),),
    "orange": (_Region((15, 40), (42, _MOST), (46, 88)),),
    "yellow": (
        _Region((43, 68), (32, _MOST), (45, 100)),
        _Region((46, 66), (22, _MOST), (30, 60)),
    ),
    "green": (_Region((70, 164), (15, _MOST), (6, 96)),),
    "cyan": (_Region((164, 197), (14, _MOST), (30, 100)),),
    "blue": (_Region((195, 254), (14, _MOST), (5, 88)),),
    "purple": (_Region((256, 318), (18, _MOST), (5, 82)),),
    "magenta": (_Region((285, 335), (38, _MOST), (25, 90)),),
    "pink": (
        _Region((312, 348), (22, _MOST), (48, 96)),
        _Region((340, 14), (12, 58), (62, 96)),
    ),
    "brown": (_Region((8, 42), (12, 58), (10, 56)),),
    "golden": (_Region((18, 54), (9, _MOST), (42, 96)),),
    "beige": (_Region((16, 60), (6, 34), (56, 96)),),
    "maroon": (_Region((340, 16), (20, _MOST), (5, 40)),),
    "navy": (_Region((205, 260), (10, _MOST), (2, 36)),),
    "olive": (_Region((46, 90), (16, 60), (20, 62)),),
}

BASIC_COLORS: tuple[str, ...] = (
    *("black", "grey", "white", "red", "orange", "yellow"),
    *("green", "cyan", "blue", "purple", "pink", "brown"),
)
"""The names used to describe an object; the others are only understood."""

NUM_COLOR_BINS = _LEVELS**3
"""Length of a color histogram."""

COLOR_NAMES: tuple[str, ...] = tuple(name for name in _COLORS if name != "any")
"""Every color name that is understood."""


def color_membership(name: str, *, shade: Shade | None = None) -> FloatArray:
    """Return how well each bin of an RGB histogram fits a color name.

    Args:
        name: One of ``COLOR_NAMES``.
        shade: Only the light or the dark half of the color.

    Returns:
        Values in [0, 1], shape (32768,), indexed as ``color_histogram`` counts.

    Raises:
        ConfigError: If the name is unknown.
    """
    if name not in _COLORS:
        raise ConfigError(f"unknown color {name!r}; the colors are {', '.join(COLOR_NAMES)}")
    return _membership(name, shade)


def color_histogram(frame: Frame, mask: BoolArray) -> FloatArray:
    """Count the colors of the pixels under a mask.

    Args:
        frame: RGB uint8, shape (H, W, 3).
        mask: The pixels to count, shape (H, W).

    Returns:
        Counts, shape (32768,).
    """
    pixels = frame[mask].astype(np.int64) * _LEVELS // 256
    index = (pixels[:, 0] * _LEVELS + pixels[:, 1]) * _LEVELS + pixels[:, 2]
    counts: FloatArray = np.bincount(index, minlength=_LEVELS**3).astype(np.float64)
    return counts


def color_share(histogram: FloatArray, name: str, *, shade: Shade | None = None) -> float:
    """Return the share of pixels that have a color, in [0, 1]; 0 for an empty histogram."""
    total = float(histogram.sum())
    return float(histogram @ color_membership(name, shade=shade)) / total if total else 0.0


def brighten_histogram(histogram: FloatArray) -> FloatArray:
    """Return the histogram as if the brightest part of the object were white.

    White fur in the shade is dark grey in the picture. Only the darker parts beside it
    show that it is white.
    """
    total = float(histogram.sum())
    if not total:
        return histogram
    levels = (np.indices((_LEVELS,) * 3).reshape(3, -1).T + 0.5) / _LEVELS  # (bins, RGB)
    brightest = levels.max(axis=1)
    order = np.argsort(brightest)
    rank = np.cumsum(histogram[order]) / total
    highest = float(brightest[order][np.searchsorted(rank, _BRIGHTEST)])
    gain = max(1.0, min(_WHITE / highest, _MOST_GAIN))
    scaled = np.minimum(levels * gain * _LEVELS, _LEVELS - 1).astype(np.int64)
    index = (scaled[:, 0] * _LEVELS + scaled[:, 1]) * _LEVELS + scaled[:, 2]
    return np.bincount(index, weights=histogram, minlength=_LEVELS**3).astype(np.float64)


def describe_colors(histogram: FloatArray, *, smallest_share: float = 0.15) -> str:
    """Name the colors that cover most of an object, such as ``"black 0.81, red 0.17"``."""
    shares = [(color_share(histogram, name), name) for name in BASIC_COLORS]
    named = [
        f"{name} {share:.2f}"
        for share, name in sorted(shares, reverse=True)[:3]
        if share >= smallest_share
    ]
    return ", ".join(named) if named else "no clear color"


@lru_cache(maxsize=64)
def _membership(name: str, shade: Shade | None) -> FloatArray:
    hue, chroma, lightness = _color_axes()
    best = np.zeros_like(chroma)
    for region in _COLORS[name]:
        fit = _soft_range(chroma, region.chroma, _CHROMA_EDGE)
        fit = fit * _soft_range(lightness, region.lightness, _LIGHTNESS_EDGE)
        if region.hue is not None:
            low, high = region.hue
            middle = (low + ((high - low) % 360) / 2) % 360
            away = np.abs((hue - middle + 180) % 360 - 180)
            half = ((high - low) % 360) / 2
            fit = fit * np.clip((half + _HUE_EDGE - away) / _HUE_EDGE, 0, 1)
        best = np.maximum(best, fit)
    if shade == "light":
        best = best * np.clip((lightness - 48) / 14, 0, 1)
    elif shade == "dark":
        best = best * np.clip((56 - lightness) / 14, 0, 1)
    best.setflags(write=False)
    return best


def _soft_range(
    values: FloatArray, limits: tuple[float, float], edge: float
) -> npt.NDArray[np.float64]:
    low, high = limits
    rising = 1.0 if low <= 0 else np.clip((values - low + edge) / edge, 0, 1)
    falling = np.clip((high + edge - values) / edge, 0, 1)
    return np.asarray(rising * falling, dtype=np.float64)


@lru_cache(maxsize=1)
def _color_axes() -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return HSV hue (degrees), Lab chroma and Lab lightness of each histogram bin."""
    levels = (np.arange(_LEVELS) + 0.5) / _LEVELS
    cube = np.meshgrid(levels, levels, levels, indexing="ij")
    red, green, blue = (axis.ravel() for axis in cube)
    rgb = np.stack([red, green, blue], axis=1)
    highest, spread = rgb.max(axis=1), np.ptp(rgb, axis=1)
    safe = np.where(spread == 0, 1.0, spread)
    hue = np.select(
        [highest == red, highest == green],
        [((green - blue) / safe) % 6, (blue - red) / safe + 2],
        (red - green) / safe + 4,
    )
    start, slope, offset, power = _SRGB
    curved = ((rgb + offset) / (1 + offset)) ** power
    linear = np.where(rgb <= start, rgb / slope, curved)
    xyz = linear @ (np.array(_SRGB_TO_XYZ) / np.array(_D65)[:, None]).T
    threshold, linear_part = _LAB_LINEAR
    root = np.where(xyz > threshold, np.cbrt(xyz), linear_part * xyz + 16 / 116)
    lightness = 116 * root[:, 1] - 16
    chroma = np.hypot(500 * (root[:, 0] - root[:, 1]), 200 * (root[:, 1] - root[:, 2]))
    return hue * 60, chroma, lightness
