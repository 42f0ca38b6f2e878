"""Textures of backgrounds, objects and posts."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np

from videoseg.types import FloatArray, Frame, Size

__all__ = ["TEXTURES", "Texture", "background", "object_texture", "octave_noise", "post_texture"]

Texture: TypeAlias = Literal["plain", "stripes", "checks", "dots", "marbled"]

TEXTURES: tuple[Texture, ...] = ("plain", "stripes", "checks", "dots", "marbled")

# Dark, middle and light color of each landscape: unsaturated, so that named colors show.
_LANDSCAPES: tuple[tuple[tuple[int, int, int], ...], ...] = (
    ((112, 104, 88), (158, 148, 126), (196, 187, 164)),  # sand
    ((72, 84, 66), (112, 124, 100), (152, 160, 134)),  # moss
    ((70, 80, 92), (108, 120, 132), (150, 160, 168)),  # slate
    ((88, 76, 84), (128, 114, 120), (170, 154, 156)),  # heather
    ((62, 86, 90), (102, 128, 130), (148, 168, 166)),  # sea
    ((104, 90, 78), (140, 126, 112), (178, 166, 152)),  # clay
)


def octave_noise(
    rng: np.random.Generator,
    size: Size,
    *,
    coarsest: float,
    octaves: int,
    persistence: float = 0.5,
) -> FloatArray:
    """Return smooth noise in [0, 1], shape (H, W), float32.

    Args:
        rng: Source of randomness.
        size: (height, width).
        coarsest: Size of the largest features, in pixels.
        octaves: Number of layers, each with half the feature size of the one before.
        persistence: Strength of each octave relative to the one before.
    """
    import cv2

    height, width = size
    total = np.zeros(size, dtype=np.float32)
    feature, strength = coarsest, 1.0
    for _ in range(octaves):
        grid = (
            max(2, int(np.ceil(height / feature)) + 1),
            max(2, int(np.ceil(width / feature)) + 1),
        )
        values = rng.random(grid, dtype=np.float32)
        total += strength * cv2.resize(values, (width, height), interpolation=cv2.INTER_CUBIC)
        strength *= persistence
        feature = max(1.0, feature / 2)
    low, high = float(total.min()), float(total.max())
    scaled: FloatArray = (total - low) / max(high - low, 1e-6)
    return scaled


def background(rng: np.random.Generator, size: Size) -> Frame:
    """Return an unsaturated texture like a landscape, shape (H, W, 3), uint8."""
    import cv2

    height, width = size
    short = min(height, width)
    stops = np.asarray(_LANDSCAPES[int(rng.integers(len(_LANDSCAPES)))], dtype=np.float32)
    base = octave_noise(rng, size, coarsest=short * 0.6, octaves=6, persistence=0.62)
    # Stretched horizontally, the second layer looks like ground rather than clouds.
    narrow = octave_noise(rng, (height, max(2, width // 3)), coarsest=short * 0.2, octaves=4)
    streaks = np.asarray(cv2.resize(narrow, (width, height), interpolation=cv2.INTER_LINEAR))
    slope = np.linspace(0.16, -0.16, height, dtype=np.float32)[:, None]
    level = np.clip(0.62 * base + 0.38 * streaks + slope, 0.0, 1.0)[..., None]
    low = stops[0] + (stops[1] - stops[0]) * np.minimum(level * 2, 1)
    mixed = low + (stops[2] - stops[1]) * np.maximum(level * 2 - 1, 0)
    grain = rng.normal(0.0, 3.0, (height, width, 1)).astype(np.float32)
    ground: Frame = np.clip(mixed + grain, 0, 255).astype(np.uint8)
    return ground


def object_texture(
    rng: np.random.Generator, texture: Texture, *, side: int, rgb: tuple[int, int, int]
) -> Frame:
    """Return a square texture whose pattern only shades the given color.

    Args:
        rng: Source of randomness.
        texture: The pattern.
        side: Height and width in pixels.
        rgb: The dominant color.
    """
    import cv2

    across = (np.arange(side, dtype=np.float32) - side / 2) / max(side / 2, 1)
    x, y = np.meshgrid(across, across)
    turn = float(rng.uniform(0, np.pi))
    along = x * np.cos(turn) + y * np.sin(turn)
    other = -x * np.sin(turn) + y * np.cos(turn)
    count = float(rng.uniform(2.6, 4.2))
    if texture == "stripes":
        pattern = _soft_square(np.sin(along * count * np.pi))
    elif texture == "checks":
        pattern = _soft_square(np.sin(along * count * np.pi) * np.sin(other * count * np.pi) * 2)
    elif texture == "dots":
        count *= 1.5
        pattern = _soft_square(np.cos(along * count * np.pi) + np.cos(other * count * np.pi) - 0.9)
    elif texture == "marbled":
        pattern = 2 * octave_noise(rng, (side, side), coarsest=max(3.0, side / 4), octaves=4) - 1
    else:
        pattern = np.zeros((side, side), dtype=np.float32)
    fine = octave_noise(rng, (side, side), coarsest=max(2.0, side / 10), octaves=2) - 0.5
    # Lit from the upper left and darker at the rim, so that it looks solid.
    light = 1.0 - 0.10 * (x + y) - 0.10 * (x * x + y * y)
    base = np.asarray(rgb, dtype=np.float32)
    # With the same contrast white would look gray, and black would show no pattern.
    mean = float(base.mean())
    contrast = 0.30 if mean < 60 else 0.07 if mean > 220 else 0.17
    shade = light * (1.0 + contrast * pattern + 0.10 * fine)
    surface = base * shade[..., None]
    # Black cannot get darker: its pattern is brightened a little instead.
    surface += (mean < 60) * 10.0 * np.maximum(pattern, 0)[..., None]
    smooth: Frame = cv2.GaussianBlur(np.clip(surface, 0, 255).astype(np.uint8), (3, 3), 0)
    return smooth


def post_texture(rng: np.random.Generator, size: Size) -> Frame:
    """Return the texture of an upright post, shape (H, W, 3), uint8."""
    import cv2

    height, width = size
    tones = ((84, 74, 66), (92, 94, 96), (104, 96, 84))
    tone = np.asarray(tones[int(rng.integers(3))], dtype=np.float32)
    squat = (max(2, height // 8), width)
    flecks = octave_noise(rng, squat, coarsest=max(2.0, width / 4), octaves=4)
    # Stretched vertically, like the grain of wood.
    grain = np.asarray(cv2.resize(flecks, (width, height), interpolation=cv2.INTER_CUBIC))
    round_light = np.cos(np.linspace(-1.25, 1.05, width, dtype=np.float32))[None, :]
    shade = (0.45 + 0.62 * round_light) * (0.82 + 0.36 * grain)
    return np.clip(tone * shade[..., None], 0, 255).astype(np.uint8)


def _soft_square(wave: FloatArray) -> FloatArray:
    squared: FloatArray = np.tanh(3.0 * wave).astype(np.float32)
    return squared
