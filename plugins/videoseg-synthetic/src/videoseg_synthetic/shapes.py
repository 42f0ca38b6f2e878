"""Outlines of objects, and their coverage with soft edges."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np

from videoseg.types import FloatArray, Frame

__all__ = ["SHAPES", "Shape", "outline", "shape_alpha"]

Shape: TypeAlias = Literal[
    "circle", "ellipse", "square", "triangle", "hexagon", "star", "heart", "blob"
]

SHAPES: tuple[Shape, ...] = (
    "circle",
    "ellipse",
    "square",
    "triangle",
    "hexagon",
    "star",
    "heart",
    "blob",
)

_OVERSAMPLING = 8


def outline(rng: np.random.Generator, shape: Shape) -> FloatArray:
    """Return a closed outline of area pi around its centroid, shape (P, 2)."""
    turn = np.linspace(0, 2 * np.pi, 160, endpoint=False)
    if shape == "circle":
        points = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    elif shape == "ellipse":
        points = np.stack([np.cos(turn), float(rng.uniform(0.52, 0.68)) * np.sin(turn)], axis=1)
    elif shape == "square":
        # A superellipse: a square with rounded corners.
        points = np.stack([_signed_root(np.cos(turn)), _signed_root(np.sin(turn))], axis=1)
        points[:, 1] *= float(rng.uniform(0.78, 1.0))
    elif shape == "triangle":
        points = _polygon(3, start=-np.pi / 2)
    elif shape == "hexagon":
        points = _polygon(6, start=0.0)
    elif shape == "star":
        angles = -np.pi / 2 + np.arange(10) * np.pi / 5
        radii = np.where(np.arange(10) % 2 == 0, 1.0, 0.5)
        points = np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1)
    elif shape == "heart":
        points = np.stack(
            [
                16 * np.sin(turn) ** 3,
                -(13 * np.cos(turn) - 5 * np.cos(2 * turn) - 2 * np.cos(3 * turn)),
            ],
            axis=1,
        )
    else:
        radius = np.ones_like(turn)
        for waves in (2, 3, 4, 5):
            amount = float(rng.uniform(0.05, 0.20)) / (waves - 1) ** 0.5
            radius += amount * np.cos(waves * turn + float(rng.uniform(0, 2 * np.pi)))
        points = np.stack([radius * np.cos(turn), radius * np.sin(turn)], axis=1)
    return _normalize(points)


def shape_alpha(points: FloatArray, *, radius: float, side: int) -> Frame:
    """Draw an outline filled, with soft edges.

    Args:
        points: An outline of area pi, shape (P, 2).
        radius: The radius in pixels of the circle that has the same area.
        side: Height and width of the picture; the outline's centroid is in its middle.

    Returns:
        Coverage of each pixel, 0..255, shape (side, side).
    """
    import cv2

    fine = side * _OVERSAMPLING
    # Pixel centers are at whole numbers in OpenCV, so the middle of the picture is at
    # (side - 1) / 2 and, oversampled, at (fine - 1) / 2.
    scaled = points * radius * _OVERSAMPLING + (fine - 1) / 2
    canvas = np.zeros((fine, fine), dtype=np.uint8)
    shift = 4
    cv2.fillPoly(canvas, [np.round(scaled * 2**shift).astype(np.int32)], 255, shift=shift)
    return np.asarray(
        cv2.resize(canvas, (side, side), interpolation=cv2.INTER_AREA), dtype=np.uint8
    )


def _polygon(corners: int, *, start: float) -> FloatArray:
    angles = start + np.arange(corners) * 2 * np.pi / corners
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _signed_root(values: FloatArray) -> FloatArray:
    root: FloatArray = np.sign(values) * np.abs(values) ** 0.36
    return root


def _normalize(points: FloatArray) -> FloatArray:
    following = np.roll(points, -1, axis=0)
    cross = points[:, 0] * following[:, 1] - following[:, 0] * points[:, 1]
    area = cross.sum() / 2
    centroid = ((points + following) * cross[:, None]).sum(axis=0) / (6 * area)
    scaled: FloatArray = (points - centroid) * np.sqrt(np.pi / abs(area))
    return scaled
